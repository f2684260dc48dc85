// Every option of `load` that says how documents are scored, in every verb: it must do what the same option does when a
// call has it, and nothing in verbs that it does not concern.
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, type DocumentInput, type LoadOptions, type QRRetriever, type RankOptions } from "../../src/index.ts";
import { modelPath, plantedHeads } from "../helpers/models.ts";
import { loadTiny } from "../helpers/retriever.ts";

const query = "Does smoke calm a hive?";
const documents: DocumentInput[] = [
  { title: "Bees", text: "Smoke calms a hive, so honey can be taken without many stings." },
  { title: "Ice", text: "Ice that flows downhill carves valleys and leaves moraines behind." },
  "The moon pulls the ocean, which bulges twice around the globe each day.",
];
const text = documents.map((document) => (typeof document === "string" ? document : document.text)).join(" ");
const heads = { format: "qrhead-heads", version: 1, heads: plantedHeads, weights: plantedHeads.map((_, i) => i + 1) };

const OPTIONS: RankOptions[] = [
  { nullQuery: "nothing at all" },
  { calibration: false },
  { mask: false },
  { weights: false },
  { order: "reverse" },
  { layout: "independent" },
  { maxDocumentTokens: 5 },
  { windows: { windowTokens: 110 } },
  { windows: "never" },
];

type Verb = (retriever: QRRetriever, options: RankOptions) => Promise<unknown>;

/** Verbs that take the option per call, or for a corpus as a whole. */
const TAKE: Record<string, Verb> = {
  rank: async (r, options) => essence(await r.rank(query, documents, options)),
  rankMany: async (r, options) => (await r.rankMany([query, "ice"], documents, options)).results.map(essence),
  inspect: async (r, options) => r.inspect(query, documents, options),
  corpus: async (r, { calibration, mask, weights, windows: _, ...options }) => {
    await using corpus = await r.corpus(documents, options);
    return essence(await corpus.rank(query, given({ calibration, mask, weights })));
  },
};

/** Verbs that score nothing, or score passages of their own: the option must not change what they cut or keep. */
const IGNORE: Record<string, Verb> = {
  tokenize: async (r) => r.tokenize(text),
  chunk: async (r) => r.chunk(text, { by: "sentences", size: 20 }),
};

const essence = ({ results, warnings }: { results: unknown; warnings: unknown }) => ({ results, warnings });
const given = (options: object) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
const load = (options: LoadOptions) => loadTiny("planted", { heads: heads as never, ...options });

let plain: QRRetriever;
beforeAll(async () => {
  plain = await load({});
});
afterAll(() => plain.dispose());

test.each(OPTIONS)("load with %o", async (option) => {
  await using loaded = await load(option as LoadOptions);
  for (const [name, verb] of Object.entries(TAKE)) {
    const outcome = (retriever: QRRetriever, options: RankOptions) =>
      verb(retriever, options).catch((error: Error) => error.message);
    expect(await outcome(loaded, {}), name).toEqual(await outcome(plain, option));
  }
  for (const [name, verb] of Object.entries(IGNORE)) {
    expect(await verb(loaded, {}), name).toEqual(await verb(plain, {}));
  }
});

test("a pruned text is the same whatever documents are cut at, as its passages are not documents of the caller", async () => {
  await using loaded = await load({ maxDocumentTokens: 5 });
  const limit = { topK: 1 } as const;
  const { text: expected, documents: whole } = await plain.prune(query, text, limit);
  expect(await loaded.prune(query, text, limit)).toMatchObject({ text: expected, documents: whole });
});

test("an answer's sources are whole chunks, whatever documents are cut at", async () => {
  await using loaded = await load({ maxDocumentTokens: 5 });
  const { sources } = await ask(query, [text], {
    ...{ generate: modelPath("tiny-llama"), gpu: false, threads: 1, contextSize: 768, maxTokens: 1 },
    ...{ retriever: loaded, chunkTokens: 25 },
  });
  const ends = (await loaded.chunk(text, { size: 25 })).map(({ end }) => end);
  expect(sources.length).toBeGreaterThan(0);
  for (const { end } of sources) expect(ends).toContain(end);
});
