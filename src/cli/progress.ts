import type { Progress } from "../options.ts";
import { note, oneLine } from "./output.ts";

/** What is over sooner needs no bar. */
const DELAY_MS = 500;
/** Between lines where no bar can be drawn. */
const LINE_MS = 60_000;

/** What the bar shows; `note` stands after it. */
type Shown = Omit<Progress, "phase"> & {
  phase: Progress["phase"] | "check" | "score" | "rank" | "answer" | "sources" | "files";
  note?: string;
};

const LABELS: Readonly<Record<Shown["phase"], string>> = {
  download: "Downloading the model",
  load: "Loading the model",
  prefill: "Reading the documents",
  null: "Calibrating",
  query: "Asking the query",
  check: "Checking the examples",
  score: "Reading the examples",
  rank: "Ranking",
  answer: "Answering",
  sources: "Reading the sources",
  files: "Reading the files",
};

export type ProgressBar = { onProgress: (progress: Shown) => void; stop: () => void };

/**
 * A bar on standard error for what takes longer than half a second, which `stop` clears; where that is no terminal, as in
 * a log, a line a minute; nothing when `quiet`.
 */
export async function progressBar(quiet: boolean): Promise<ProgressBar> {
  if (quiet) return { onProgress: () => {}, stop: () => {} };
  if (!process.stderr.isTTY || process.env.TERM === "dumb") return progressLines();
  const { SingleBar } = (await import("cli-progress")).default;
  const bar = new SingleBar({
    stream: process.stderr,
    format: "{label} [{bar}] {percentage}% {note}",
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 30,
    hideCursor: true,
    clearOnComplete: true,
  });
  let last: Shown | undefined;
  let shown = false;
  let due = false;
  const draw = () => {
    if (!last) return;
    const words = { label: LABELS[last.phase].padEnd(21), note: oneLine(last.note ?? "") };
    if (!shown) bar.start(last.total, last.done, words);
    shown = true;
    bar.setTotal(last.total);
    bar.update(last.done, words);
  };
  const timer = setTimeout(() => {
    due = true;
    draw();
  }, DELAY_MS).unref();
  return {
    onProgress(progress) {
      last = progress;
      // Also where the first report comes late, as on a slow disk.
      if (due) draw();
    },
    stop() {
      clearTimeout(timer);
      if (shown) bar.stop();
      last = undefined;
      shown = false;
      due = false;
    },
  };
}

function progressLines(): ProgressBar {
  let last: Shown | undefined;
  const timer = setInterval(() => {
    if (!last) return;
    const share = last.total > 0 ? ` ${Math.floor((100 * last.done) / last.total)}%` : "";
    note(oneLine(`${LABELS[last.phase]}${share}${last.note ? `, ${last.note}` : ""}`));
  }, LINE_MS).unref();
  return {
    onProgress(progress) {
      last = progress;
    },
    stop: () => clearInterval(timer),
  };
}
