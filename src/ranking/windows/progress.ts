import type { Progress } from "../../options.ts";

/**
 * One bar for all windows, which never goes back: `done` of a `total` that was planned. Which documents a tournament reads
 * again changes what it takes a little, so that the bar may stand at its end for the last window, or jump there.
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
