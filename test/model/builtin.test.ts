// The model that comes with the package answers ordinary questions.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BUILT_IN_MODEL, PUBLISHED_HEAD_SETS, QRRetriever } from "../../src/index.ts";

const passages = [
  "Our returns desk accepts unworn shoes for sixty days after delivery. Refunds go back to the card that paid.",
  "Sourdough rises slowly because wild yeast is scarce. A warm kitchen shortens the wait to about five hours.",
  "The night train leaves Vienna at 21:40 and reaches Venice shortly after eight in the morning.",
  "To reset the router, hold the small button on its back for ten seconds until the lights go out.",
  "Monarch butterflies spend the winter in the mountain forests of central Mexico, hanging in clusters from fir trees.",
  "A mortgage with a fixed interest rate costs the same every month, even when the central bank raises rates.",
  "Octopuses have three hearts: two of them serve the gills, and one the rest of the body.",
  "The museum is closed on Mondays. On the first Sunday of a month admission is free.",
  "Concrete keeps hardening for years, but it reaches most of its strength within twenty-eight days.",
  "The vaccine must be stored between two and eight degrees and thrown away if it has been frozen.",
];

const questions: [query: string, best: number][] = [
  ["How long do I have to return a pair of shoes?", 0],
  ["when does the night train to Venice leave", 2],
  ["How do I reset my router?", 3],
  ["Where do monarch butterflies spend the winter?", 4],
  ["How many hearts does an octopus have?", 6],
  ["On which day is the museum closed?", 7],
  ["At what temperature must the vaccine be stored?", 9],
];

let retriever: QRRetriever;
beforeAll(async () => {
  retriever = await QRRetriever.load({ gpu: false, threads: 1 });
});
afterAll(() => retriever.dispose());

describe("the built-in model", () => {
  test("says what it is", () => {
    const { model, headSet, prompt, heads, loadMs, disposed } = retriever;
    expect(model).toMatchObject({ path: BUILT_IN_MODEL, fileName: "qrhead-mini-v3-q8_0.gguf" });
    expect(model.layers).toBeGreaterThan(0);
    expect(model.metadata["general.architecture"]).toBe(model.architecture);
    const published = PUBLISHED_HEAD_SETS.find(({ name }) => name === "qrhead-mini-v3")!;
    expect(headSet).toBe("qrhead-mini-v3");
    expect(heads).toEqual(published.set.heads);
    expect(prompt).toBe("plain");
    expect(retriever.layout).toBe("independent");
    expect(loadMs).toBeGreaterThan(0);
    expect(disposed).toBe(false);
  });

  test("warns of a prompt that is longer than what its heads are known for, and of no other", async () => {
    const { layout: _, ...withoutLayout } = PUBLISHED_HEAD_SETS.find(({ name }) => name === "qrhead-mini-v3")!.set;
    await using shorter = await QRRetriever.load({
      ...{ gpu: false, threads: 1, heads: { ...withoutLayout, promptTokens: 700 } },
    });
    const long = Array.from({ length: 12 }, (_, i) => `Entry ${i}. ${passages.join(" ")}`);
    expect((await shorter.rank(questions[0]![0], passages)).warnings).toEqual([]);
    const { warnings, usage } = await shorter.rank(questions[0]![0], long);
    expect(usage.promptTokens).toBeGreaterThan(2200);
    expect(warnings).toEqual([expect.stringMatching(new RegExp(`700 tokens, and this one has ${usage.promptTokens}`))]);
    expect((await shorter.rank(questions[0]![0], long, { windows: { windowTokens: 650 } })).warnings).toEqual([]);
    expect((await retriever.rank(questions[0]![0], long)).warnings).toEqual([]);
  });

  // BM25 finds most of these answers by itself: the heads have to, too.
  test.each(questions)("answers %j, with BM25 and by its heads alone", async (query, best) => {
    for (const fuse of [undefined, "none"] as const) {
      const { results, warnings } = await retriever.rank(query, passages, { fuse });
      expect(passages[results[0]!.index]).toBe(passages[best]);
      expect(results).toHaveLength(passages.length);
      expect(warnings).toEqual([]);
    }
  });

  test.each([{ calibration: false }, { mask: false }, { order: "reverse" }] as const)(
    "answers most of them with %o",
    async (options) => {
      let correct = 0;
      for (const [query, best] of questions) {
        const { results } = await retriever.rank(query, passages, { ...options, topK: 1, fuse: "none" });
        if (results[0]!.index === best) correct++;
      }
      expect(correct).toBeGreaterThanOrEqual(questions.length - 2);
    },
  );

  test("writes nothing, and says so", async () => {
    const writing = async () => {
      for await (const _ of retriever.generate([{ role: "user", content: "hello" }], { maxTokens: 2 })) break;
    };
    await expect(writing()).rejects.toMatchObject({
      code: "MODEL_UNSUPPORTED",
      message: expect.stringContaining("built-in model mini"),
    });
  });

  test("points at the words that answer", async () => {
    const { results } = await retriever.rank("How many hearts does an octopus have?", passages, { tokenScores: true });
    const strongest = results[0]!.tokenScores!.toSorted((a, b) => b.score - a.score).slice(0, 5);
    expect(strongest.map(({ text }) => text).join("|")).toMatch(/heart/);
  });
});
