import { parseHTML } from "linkedom";
import { describe, expect, test } from "vitest";
import { compareHeadSets } from "../../src/heads/compare.ts";
import { exportHeadSet, toWuScores } from "../../src/heads/export.ts";
import { type HeadSet, parseHeadSet } from "../../src/heads/head-set.ts";
import { plotHeadSet } from "../../src/heads/plot.ts";
import { plotPage } from "../../src/heads/plot-page.ts";
import type { Head } from "../../src/types.ts";

const model = { name: "A <model> & more", architecture: "llama", layers: 2, heads: 5 };
const set = (heads: Head[], scores?: number[][]) =>
  ({ format: "qrhead-heads", version: 1, model, heads, ...(scores && { scores }) }) satisfies HeadSet;

const a = set(
  [
    [0, 0],
    [0, 1],
    [0, 2],
    [0, 3],
  ],
  [
    [10, 9, 8, 7, 6],
    [5, 4, 3, 2, 1],
  ],
);
const b = set(
  [
    [0, 1],
    [1, 4],
  ],
  [
    [6, 10, 4, 3, 2],
    [1, 0, -1, -2, 9],
  ],
);

describe("comparing", () => {
  test("counts what two sets share, and at several numbers of best heads", () => {
    const comparison = compareHeadSets(a, b);
    expect(comparison).toMatchObject({ shared: [[0, 1]], overlap: 1 / 2, jaccard: 1 / 5, chance: 4 / 10 });
    // Best by score: a 0-0 and b 0-1; then a {0-0, 0-1, 0-2, 0-3} and b {0-1, 1-4, 0-0, 0-2}; then all but the last two.
    expect(comparison.top).toEqual([
      { heads: 1, overlap: 0, chance: 1 / 10 },
      { heads: 4, overlap: 3 / 4, chance: 4 / 10 },
      { heads: 8, overlap: 7 / 8, chance: 8 / 10 },
    ]);
    // Ranks of b, from the best: 2, 0, 3, 4, 5 and 6, 7, 8, 9, 1 against 0 to 9. Σd² = 4+1+1+1+1+1+1+1+1+64 = 76.
    expect(comparison.spearman).toBeCloseTo(1 - (6 * 76) / (10 * 99), 12);
  });

  test("gives 1 and −1 to the same order and its reverse, and lets equal scores share a rank", () => {
    const reversed = set(
      a.heads,
      a.scores!.map((row) => row.map((score) => -score)),
    );
    expect(compareHeadSets(a, a).spearman).toBeCloseTo(1, 12);
    expect(compareHeadSets(a, reversed).spearman).toBeCloseTo(-1, 12);
    const ties = (values: number[]) => set([[0, 0]], [values.slice(0, 5), values.slice(5)]);
    const [x, y] = [ties([1, 1, 0, 0, 0, 0, 0, 0, 0, 0]), ties([0, 0, 0, 0, 0, 0, 0, 0, 1, 1])];
    // As 0/1 variables with two ones each, none shared: −0.04 / 0.16.
    expect(compareHeadSets(x, y).spearman).toBeCloseTo(-0.25, 12);
    expect(compareHeadSets(x, ties(Array(10).fill(3))).spearman).toBeNull();
  });

  test("needs no scores and no model, but the same shape", () => {
    const bare: HeadSet = { format: "qrhead-heads", version: 1, heads: [[0, 1]] };
    expect(compareHeadSets(bare, bare)).toEqual({
      ...{ shared: [[0, 1]], overlap: 1, jaccard: 1, chance: null, top: [], spearman: null },
    });
    expect(compareHeadSets(a, bare)).toMatchObject({ overlap: 1, chance: 0.4, spearman: null });
    expect(() => compareHeadSets(a, { ...b, model: { ...model, heads: 4 } })).toThrow(
      expect.objectContaining({
        code: "HEADS_MISMATCH",
        message: expect.stringContaining("2 layers of 5 heads and 2 layers of 4"),
      }),
    );
  });
});

describe("exporting", () => {
  test("to QRHead's configuration reads back as the same heads", () => {
    const text = exportHeadSet(b, "qrhead-yaml", "b");
    expect(text).toBe('attn_head_set: "0-1,1-4"\nmodel_base_class: "A <model> & more"\n');
    expect(parseHeadSet(text, "b.yaml").heads).toEqual(b.heads);
  });

  test("to QRHead's list reads back as every score, best first", () => {
    const text = exportHeadSet(b, "qrhead-list", "b");
    expect(JSON.parse(text).slice(0, 3)).toEqual([
      ["0-1", 10],
      ["1-4", 9],
      ["0-0", 6],
    ]);
    const back = parseHeadSet(text, "b.json");
    expect(back.scores).toEqual(b.scores);
    expect(back.heads.slice(0, 2)).toEqual(b.heads);
  });

  test("to the scores of Wu et al. reads back too, from one score each or from trials", () => {
    expect(parseHeadSet(exportHeadSet(b, "wu", "b"), "b.json").scores).toEqual(b.scores);
    const trials = toWuScores([
      [[0.5, 1], [0]],
      [
        [0.25, 0.25],
        [1, 0],
      ],
    ]);
    expect(trials).toBe('{"0-0":[0.5,1],"0-1":[0],"1-0":[0.25,0.25],"1-1":[1,0]}\n');
    expect(parseHeadSet(trials, "t.json").scores).toEqual([
      [0.75, 0],
      [0.25, 0.5],
    ]);
  });

  test.each(["qrhead-list", "wu"] as const)("to %s needs scores", (format) => {
    expect(() => exportHeadSet(set([[0, 0]]), format, "mine.json")).toThrow(
      /^mine\.json does not score every head, and .* is a format of scores: export it as qrhead-yaml$/,
    );
  });
});

describe("the map", () => {
  const drawn = async (...args: Parameters<typeof plotHeadSet>) => {
    const { document } = parseHTML(`<html><body>${await plotHeadSet(...args)}</body></html>`);
    const cells = [...document.querySelectorAll(".head rect")].map((cell) => ({
      title: cell.textContent,
      fill: cell.getAttribute("fill") ?? cell.parentNode!.getAttribute("fill"),
      place: ["x", "y"].map((name) => Number(cell.getAttribute(name))),
    }));
    return { document, cells };
  };

  test("has a titled cell for every head, and an outline for every chosen one", async () => {
    const { document, cells } = await drawn(b, "our <heads>");
    expect(cells).toHaveLength(10);
    expect(document.querySelectorAll(".mark rect")).toHaveLength(b.heads.length);
    const titles = cells.map(({ title }) => title);
    expect(titles).toContain("Layer 1, head 4: score 9, rank 2 of 10, number 2 of the set");
    expect(titles).toContain("Layer 0, head 0: score 6, rank 3 of 10");
    const svg = document.querySelector("svg")!;
    expect(svg.getAttribute("role")).toBe("img");
    expect(svg.querySelector("title")!.textContent).toBe("our <heads>");
    expect(svg.querySelector("desc")!.textContent).toBe("2 of 10 heads of A <model> & more. Chosen: 0-1, 1-4");
  });

  test("colours the highest and the lowest score with the ends of the scale, and places cells by layer and head", async () => {
    const { cells } = await drawn(b, "b");
    const [left, top] = cells.find(({ title }) => title!.startsWith("Layer 0, head 0:"))!.place as [number, number];
    const at = (x: number, y: number) => cells.find(({ place }) => place[0] === x && place[1] === y)!;
    expect(at(left + 40, top).fill).toBe("#fde725");
    expect(at(left + 3 * 40, top + 40).fill).toBe("#440154");
    expect(at(left + 3 * 40, top + 40).title).toMatch(/^Layer 1, head 3: score -2, rank 10 of 10/);
  });

  test("draws sets without scores, and large models", async () => {
    const bare = await drawn(set([[1, 1]]), "bare");
    expect(bare.cells.map(({ fill }) => fill)).toEqual(Array(10).fill("var(--none)"));
    expect(bare.cells.map(({ title }) => title)).toContain("Layer 1, head 1: number 1 of the set");
    const large = await drawn({ ...set([[79, 63]]), model: { ...model, layers: 80, heads: 64 } }, "large");
    expect(large.cells).toHaveLength(5120);
    expect(Number(large.document.querySelector("svg")!.getAttribute("width"))).toBeLessThan(1000);
  });

  test("is well-formed XML, whatever the names", async () => {
    const svg = await plotHeadSet({ ...b, source: { name: "]]> \u0000 \"quotes\" 'and' <!--" } }, "\u001b[31m & <x>");
    expect(svg).toContain('xmlns="http://www.w3.org/2000/svg"');
    const opened = svg.match(/<(?![/!?])[a-z]+[^>]*(?<!\/)>/gi)!.length;
    expect(opened).toBe(svg.match(/<\/[a-z]+>/gi)!.length);
    expect(svg).not.toMatch(/\p{Cc}(?<!\n)/u);
    expect(svg.replace(/&(amp|lt|gt|quot|#39);/g, "")).not.toContain("&");
  });

  test("is a page that loads nothing, with what is known about stability and quality", async () => {
    const page = await plotPage(
      {
        ...b,
        weights: [1.5, 0.5],
        stability: { splits: 50, examples: 8, overlap: 0.875, chance: 0.2, curve: [{ examples: 8, overlap: 0.875 }] },
        quality: { folds: 5, byHeads: [{ heads: 4, ndcg: 0.91234, rPrecision: 0.5 }] },
      },
      "b",
    );
    expect(page).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(page.replace("http://www.w3.org/2000/svg", "")).not.toMatch(/https?:|src=|@import|url\((?!#)/);
    expect(page).toContain("<td>8</td><td>88%</td>");
    expect(page).toContain("<td>4</td><td>0.912</td><td>0.500</td>");
    expect(page).toContain("<td>1</td><td>0-1</td><td>10</td><td>1.5</td>");
  });
});
