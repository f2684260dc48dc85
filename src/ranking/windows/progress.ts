import type { Progress } from "../../options.ts";

/**
 * One progress bar for all windows that never goes back: `done` of a planned `total`. The cost of a tournament depends on
 * which documents it reads again, so the bar may reach its end before the last window, or jump there.
 */
export function planProgress(onProgress: (progress: Progress) => void, total: number) {
  let before = 0;
  let last = 0;
  const show = (done: number) => {
    last = Math.max(last, Math.min(done, total));
    onProgress({ phase: "prefill", done: last, total });
  };
  return {
    /** Reports of the window that is being read. */
    window: ({ phase, done }: Progress) => {
      if (phase === "prefill") show(before + done);
    },
    /** A window of so many tokens has been read. */
    finish: (tokens: number) => {
      before += tokens;
      show(before);
    },
    end: () => {
      if (last < total) show(total);
    },
  };
}
