import { follow } from "../util/abort-signal.ts";

/**
 * Pieces of text as they come from a job, and at the end what the job returns.
 *
 * The job begins with the first piece that is asked for and does not wait for the reader: pieces that come faster than they
 * are read are kept. A reader that stops early ends the job, and has it ended before it goes on.
 *
 * @param job Gives pieces, and stops when its signal says so.
 * @param signals Any of them ends the job, with its reason.
 */
export async function* streamOf<Result>(
  job: (onPiece: (piece: string) => void, signal: AbortSignal) => Promise<Result>,
  signals: readonly (AbortSignal | undefined)[],
): AsyncGenerator<string, Result, void> {
  const controller = new AbortController();
  const stopFollowing = signals.map((signal) => follow(signal, controller));
  const pieces: string[] = [];
  let wake = () => {};
  let isDone = false;
  const running = job((piece) => {
    pieces.push(piece);
    wake();
  }, controller.signal);
  // Do not wait for the reader, which may never finish.
  const done = () => {
    for (const stop of stopFollowing) stop();
    isDone = true;
    wake();
  };
  running.then(done, done);
  try {
    while (true) {
      for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift()) yield piece;
      if (isDone) return await running;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    controller.abort();
    await running.catch(() => {});
  }
}
