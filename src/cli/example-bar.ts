import type { DetectOptions } from "../detect/options.ts";
import type { ProgressBar } from "./progress.ts";

/** Shows examples on the bar, with the part of the running one that has been read, and the time left. */
export function exampleBar(bar: ProgressBar): Required<Pick<DetectOptions, "onProgress" | "onExample">> {
  let scored = { done: 0, total: 0, resumed: 0 };
  let began = 0;
  const show = (done: number) => {
    bar.onProgress({
      phase: "score",
      done,
      total: scored.total,
      note: timeLeft(performance.now() - began, done - scored.resumed, scored.total - scored.resumed),
    });
  };
  return {
    onProgress(progress) {
      if (progress.phase === "download" || progress.phase === "load") return bar.onProgress(progress);
      if (progress.phase === "prefill") show(scored.done + progress.done / progress.total);
    },
    onExample({ phase, done, total, resumed = 0 }) {
      if (phase === "check") {
        scored = { done: 0, total, resumed };
        began = performance.now();
        // The first example can take minutes, in which "Checking 100%" would look as if it hung.
        return done < total ? bar.onProgress({ phase, done, total }) : show(0);
      }
      scored = { done, total, resumed };
      show(done);
    },
  };
}

/** What is left if the rest takes as long as what is done, such as "4 min left"; nothing before there is an idea of it. */
export function timeLeft(elapsedMs: number, done: number, total: number): string {
  if (!(done > 0) || done >= total || elapsedMs < 2000) return "";
  return formatTimeLeft((elapsedMs / done) * (total - done));
}

export function formatTimeLeft(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 60) return `${seconds} s left`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min left` : `${Math.floor(minutes / 60)} h ${minutes % 60} min left`;
}
