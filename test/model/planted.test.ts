// A model in which some heads look for the query's own tokens by construction: those must rank, and no others.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Head, type HeadSet, InputError, QRRetriever } from "../../src/index.ts";
import { modelPath, plantedHeads } from "../helpers/models.ts";
import { loadTiny } from "../helpers/retriever.ts";

const documents = [
  { title: "Lighthouse", text: "The keeper climbed the lighthouse every evening and trimmed the lamp." },
  { title: "Beekeeping", text: "Smoke calms a hive, so honey can be taken without many stings." },
  { title: "Glaciers", text: "Ice that flows downhill carves valleys and leaves moraines behind." },
  { title: "Printing", text: "Movable type made books cheap, and pamphlets cheaper still." },
  { title: "Tides", text: "The moon pulls the ocean, which bulges twice around the globe each day." },
];

const questions: [query: string, best: number][] = [
  ["Who trimmed the lamp?", 0],
  ["honey and stings from a hive", 1],
  ["What carves valleys and leaves moraines?", 2],
  ["cheap books, cheaper pamphlets", 3],
  ["How does the moon pull the ocean?", 4],
  ["movable type", 3],
  ["Does smoke calm a hive?", 1],
];

const isPlanted = ([layer, head]: Head) => plantedHeads.some(([l, h]) => l === layer && h === head);
const others: Head[] = Array.from({ length: 32 }, (_, index): Head => [index >> 3, index & 7]).filter(
  (head) => !isPlanted(head),
);

async function correct(heads: readonly Head[], options: Parameters<QRRetriever["rank"]>[2] = {}): Promise<number> {
  await using retriever = await loadTiny("planted", { heads });
  let count = 0;
  for (const [query, best] of questions) {
    const { results } = await retriever.rank(query, documents, options);
    if (results[0]!.index === best) count++;
  }
  return count;
}

describe("the planted heads", () => {
  test.each([{}, { mask: false }, { order: "reverse" }, { nullQuery: "nothing" }] as const)(
    "rank the matching document first, with %o",
    async (options) => {
      expect(await correct(plantedHeads, options)).toBe(questions.length);
    },
  );

  test("may take a document with words of the instruction for the match without calibration", async () => {
    expect(await correct(plantedHeads, { calibration: false })).toBeGreaterThanOrEqual(questions.length - 2);
  });

  test("do so one by one", async () => {
    for (const head of plantedHeads) expect(await correct([head]), String(head)).toBe(questions.length);
  });

  test("each add about as much to the first document's score", async () => {
    await using retriever = await loadTiny("planted", { heads: plantedHeads });
    for (const [query, best] of questions) {
      const { results, heads } = await retriever.rank(query, documents, { headScores: true, tokenScores: true });
      expect(heads).toEqual(plantedHeads);
      const [first, second] = results;
      expect(first!.index).toBe(best);
      expect(first!.score).toBeGreaterThan(2 * second!.score);
      const share = first!.score / heads.length;
      for (const score of first!.headScores!) expect(Math.abs(score / share - 1)).toBeLessThan(0.25);
      const strongest = first!.tokenScores!.reduce((a, b) => (b.score > a.score ? b : a));
      expect(query.toLowerCase()).toContain(strongest.text.trim().toLowerCase());
    }
  });

  test("are found among all heads by what they add", async () => {
    await using retriever = await loadTiny("planted", { heads: "all" });
    const gain = new Map<string, number>();
    for (const [query, best] of questions) {
      const { results, heads } = await retriever.rank(query, documents, { headScores: true });
      const { headScores } = results.find(({ index }) => index === best)!;
      for (const [i, head] of heads.entries()) gain.set(String(head), (gain.get(String(head)) ?? 0) + headScores![i]!);
    }
    const strongest = [...gain].sort((a, b) => b[1] - a[1]).slice(0, plantedHeads.length);
    expect(strongest.map(([head]) => head).sort()).toEqual(plantedHeads.map(String).sort());
  });
});

test("other heads do not rank", async () => {
  for (const from of [0, 9, 18]) expect(await correct(others.slice(from, from + 9))).toBeLessThan(questions.length / 2);
});

describe("heads", () => {
  const model = modelPath("planted");
  let retriever: QRRetriever;
  beforeAll(async () => {
    retriever = await QRRetriever.load({ model, heads: "random:5:1", gpu: false, threads: 1 });
  });
  afterAll(() => retriever.dispose());

  test("of a model that none are published for are an error that says what to do", async () => {
    const loading = QRRetriever.load({ model, gpu: false });
    await expect(loading).rejects.toBeInstanceOf(InputError);
    await expect(loading).rejects.toMatchObject({
      code: "HEADS_UNKNOWN",
      message:
        "No head set is published for Planted retrieval heads 7 (llama, 4 layers of 8 heads): " +
        'find its heads with `qrhead detect`, or rank with all of them: heads: "all" (ICR)',
    });
  });

  test.each([
    ["4-0", "HEADS_MISMATCH", /^Head 4-0 does not exist in Planted .*, whose layers are 0 to 3 and heads 0 to 7/],
    ["0-8", "HEADS_MISMATCH", /^Head 0-8 does not exist/],
    [
      "qrhead-llama-3.2-3b-nq",
      "HEADS_MISMATCH",
      /^Heads qrhead-llama-3.2-3b-nq were found on .* but Planted retrieval heads 7 is llama/,
    ],
    [
      "no-such-set",
      "HEADS_UNKNOWN",
      /^Heads "no-such-set" are neither a published set nor an existing file: use auto, all/,
    ],
    ["random:0:1", "INVALID_ARGUMENT", /^Expected random:N:SEED with N from 1 to 32 .* but received "random:0:1"/],
    ["random:33:1", "INVALID_ARGUMENT", /^Expected random:N:SEED/],
    [
      [
        [0, 0],
        [0, 0],
      ],
      "INVALID_ARGUMENT",
      /^Expected every head once for heads but received "0-0 twice"/,
    ],
    [[[0]], "INVALID_ARGUMENT", /^Expected pairs of a 0-based layer and a 0-based head for heads/],
    [[], "INVALID_ARGUMENT", /^Expected at least one head for heads/],
  ] as [string | Head[], string, RegExp][])("%j are refused", async (heads, code, message) => {
    const loading = QRRetriever.load({ model, heads, gpu: false });
    await expect(loading).rejects.toMatchObject({ name: "InputError", code });
    await expect(loading).rejects.toThrow(message);
  });

  test("that are random are the same ones for the same seed", async () => {
    await using same = await QRRetriever.load({ model, heads: "random:5:1", gpu: false });
    await using other = await QRRetriever.load({ model, heads: "random:5:2", gpu: false });
    expect(same.heads).toEqual(retriever.heads);
    expect(other.heads).not.toEqual(retriever.heads);
    expect(same.headSet).toBe("random:5:1");
  });

  test("of a set bring its null query and its name", async () => {
    const set: HeadSet = {
      format: "qrhead-heads",
      version: 1,
      model: { name: "planted", architecture: "llama", layers: 4, heads: 8 },
      heads: plantedHeads,
      nullQuery: "moon",
      source: { name: "our own" },
    };
    const query = "How does the moon pull the ocean?";
    await using fromSet = await loadTiny("planted", { heads: set });
    await using fromPairs = await loadTiny("planted", { heads: plantedHeads });
    expect(fromSet.headSet).toBe("our own");
    const expected = await fromPairs.rank(query, documents, { nullQuery: "moon" });
    expect((await fromSet.rank(query, documents)).results).toEqual(expected.results);
    const replaced = await fromSet.rank(query, documents, { nullQuery: "N/A" });
    expect(replaced.results).toEqual((await fromPairs.rank(query, documents)).results);
  });

  test("cannot be changed from outside", async () => {
    const { heads } = retriever;
    heads.length = 0;
    expect(retriever.heads).toHaveLength(5);
  });
});
