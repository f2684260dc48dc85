import { invalidArgument } from "../errors.ts";
import type { ChatMessage } from "../types.ts";
import { orAborted } from "../util/abort-signal.ts";
import type { Generate } from "./options.ts";
import type { WriteOptions, Written } from "./write.ts";

/**
 * The answer that a function of the caller writes. After an abort nothing waits for the function, even if it never returns.
 *
 * @throws InputError for a function that returns no iterable, or whose pieces are no strings.
 */
export async function writeByFunction(
  generate: Extract<Generate, CallableFunction>,
  messages: readonly ChatMessage[],
  { signal, onText }: Pick<WriteOptions, "signal" | "onText">,
): Promise<Written> {
  const pieces = piecesOf(await orAborted(generate([...messages], { signal }), signal));
  let answer = "";
  try {
    for (;;) {
      const { done, value } = await orAborted(pieces.next(), signal);
      if (done) return { answer, stopped: "end" };
      if (typeof value !== "string") throw invalidArgument("generate", "a function whose pieces are strings", value);
      answer += value;
      onText?.(value);
    }
  } catch (error) {
    void Promise.resolve(pieces.return?.()).catch(() => {});
    throw error;
  }
}

function piecesOf(written: AsyncIterable<unknown>): AsyncIterator<unknown> {
  const open: unknown = Object(written)[Symbol.asyncIterator];
  if (typeof open === "function") return open.call(written);
  throw invalidArgument("generate", "a function that returns an async iterable of strings", written);
}
