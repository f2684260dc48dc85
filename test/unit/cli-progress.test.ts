import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { progressBar } from "../../src/cli/progress.ts";

describe("progress where no bar can be drawn", () => {
  let lines: string[];
  beforeEach(() => {
    lines = [];
    vi.useFakeTimers();
    vi.stubEnv("TERM", "dumb");
    vi.spyOn(process.stderr, "write").mockImplementation((text) => lines.push(String(text)) > 0);
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });

  it("is a line a minute, of what was done last, until it stops", async () => {
    const bar = await progressBar(false);
    vi.advanceTimersByTime(60_000);
    bar.onProgress({ phase: "rank", done: 3, total: 40, note: "cranfield · qrhead, 9 min left" });
    bar.onProgress({ phase: "rank", done: 10, total: 40, note: "cranfield · qrhead, 8 min left" });
    vi.advanceTimersByTime(59_000);
    expect(lines).toEqual([]);
    vi.advanceTimersByTime(61_000);
    bar.onProgress({ phase: "rank", done: 39, total: 40 });
    vi.advanceTimersByTime(60_000);
    bar.stop();
    vi.advanceTimersByTime(300_000);
    expect(lines).toEqual([
      "Ranking 25%, cranfield · qrhead, 8 min left\n",
      "Ranking 25%, cranfield · qrhead, 8 min left\n",
      "Ranking 97%\n",
    ]);
  });

  it("is nothing when it is to be quiet", async () => {
    const bar = await progressBar(true);
    bar.onProgress({ phase: "rank", done: 3, total: 40 });
    vi.advanceTimersByTime(300_000);
    bar.stop();
    expect(lines).toEqual([]);
  });
});

describe("the bar at a terminal", () => {
  let shown: string;
  const { isTTY } = process.stderr;
  beforeEach(() => {
    shown = "";
    vi.useFakeTimers();
    vi.stubEnv("TERM", "xterm-256color");
    process.stderr.isTTY = true;
    vi.spyOn(process.stderr, "write").mockImplementation((text) => {
      shown += text;
      return true;
    });
  });
  afterEach(() => {
    process.stderr.isTTY = isTTY;
    vi.useRealTimers();
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });

  it("is drawn half a second after the beginning, or at the first report after that", async () => {
    for (const early of [true, false]) {
      const bar = await progressBar(false);
      if (early) bar.onProgress({ phase: "rank", done: 1, total: 40 });
      expect(shown).toBe("");
      vi.advanceTimersByTime(1000);
      if (!early) {
        expect(shown).toBe("");
        bar.onProgress({ phase: "rank", done: 1, total: 40 });
      }
      expect(shown).toContain("Ranking");
      bar.stop();
      shown = "";
      bar.onProgress({ phase: "rank", done: 2, total: 40 });
      expect(shown).toBe("");
    }
  });
});
