// The layout of a call that names none: what the heads rank best in, and windows where documents do not fit so.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { u32 } from "../../scripts/models/gguf-writer.ts";
import { type LoadOptions, QRRetriever } from "../../src/index.ts";
import { IsolatedRetriever } from "../../src/isolate/index.ts";
import { loadTiny } from "../helpers/retriever.ts";
import { makeVariant } from "../helpers/variant.ts";

const QUERY = "How many hearts does an octopus have?";
const documents = Array.from({ length: 30 }, (_, i) =>
  i === 17
    ? "Octopuses have three hearts: two of them serve the gills, and one the rest of the body."
    : `The tram number ${i} stood near the river, and nobody wrote down why it was there that year.`,
);
const load = { gpu: false, threads: 1 } as const;
let retriever: QRRetriever;
beforeAll(async () => {
  retriever = await QRRetriever.load(load);
});
afterAll(() => retriever.dispose());

describe("the built-in model", () => {
  test("reads each document by itself, so that their order changes nothing, and one prompt where windows are asked for", async () => {
    expect(retriever.layout).toBe("independent");
    const scores = (results: readonly { id: string; score: number }[]) =>
      results.map(({ id, score }) => [id, score]).sort();
    const given = documents.slice(10, 20).map((text, id) => ({ id: String(id), text }));
    const [ahead, back] = [await retriever.rank(QUERY, given), await retriever.rank(QUERY, [...given].reverse())];
    expect(scores(back.results)).toEqual(scores(ahead.results));
    const windows = { windowTokens: 400 };
    expect((await retriever.rank(QUERY, documents, { windows })).windows).toMatchObject(windows);
    await using corpus = await retriever.corpus(given);
    expect(corpus.layout).toBe("independent");
    await using other = retriever.withHeads("all");
    expect(other.layout).toBe("listwise");
  });

  test("says the same in another process, whatever it was loaded with", async () => {
    await using isolated = await IsolatedRetriever.load({ ...load, windows: { windowTokens: 400 } });
    expect(isolated.layout).toBe("listwise");
    await using corpus = await isolated.corpus(documents.slice(0, 2));
    expect(corpus.layout).toBe("independent");
    expect((await corpus.rank(QUERY)).warnings).toEqual([]);
    await using same = isolated.withHeads("auto");
    expect(same.layout).toBe("listwise");
  });

  test("takes windows where documents do not fit apart, with all that the same windows give", async () => {
    await using small = await QRRetriever.load({ gpu: false, threads: 1, contextSize: 400 });
    const own = await small.rank(QUERY, documents, { threshold: 0.5 });
    const asked = await small.rank(QUERY, documents, { windows: { windowTokens: 400 }, threshold: 0.5 });
    const { results, windows, calibration, abstained, belowThreshold, warnings } = own;
    expect(results).toEqual(asked.results);
    expect({ windows, calibration, abstained, belowThreshold }).toEqual({
      ...{ windows: asked.windows, calibration: asked.calibration },
      ...{ abstained: asked.abstained, belowThreshold: asked.belowThreshold },
    });
    expect(windows!.count).toBeGreaterThan(2);
    expect(warnings).toEqual([]);
    await expect(small.rank(QUERY, documents, { layout: "independent" })).rejects.toThrow('layout: "listwise"');
  });
});

async function loadApart(name: string, load: LoadOptions = {}): Promise<QRRetriever> {
  await using whole = await loadTiny(name);
  const { name: model, architecture, layers, heads } = whole.model;
  return loadTiny(name, {
    ...load,
    heads: {
      ...{ format: "qrhead-heads", version: 1, model: { name: model, architecture, layers, heads } },
      ...{ heads: [[layers - 1, 0]], layout: "independent" },
    },
  });
}

describe("heads that rank best apart, where documents cannot stand apart", () => {
  test("behind a sliding window: only documents that fit into it are read by themselves", async () => {
    await using retriever = await loadApart("tiny-gemma3");
    const { tokens } = retriever.model.slidingWindow!;
    const short = ["Gallium melts at thirty degrees.", "Iron is forged red hot."];
    const apart = await retriever.rank("Which metal melts?", short);
    expect(Math.max(...apart.usage.documentTokens)).toBeLessThan(tokens);
    expect(apart.windows).toBeUndefined();
    expect(apart.results).toEqual(
      (await retriever.rank("Which metal melts?", short, { layout: "independent" })).results,
    );

    const long = [...short, `Tin was carried over the sea. ${"Nobody told where it came from. ".repeat(10)}`];
    const together = await retriever.rank("Which metal melts?", long);
    expect(Math.max(...together.usage.documentTokens)).toBeGreaterThan(tokens);
    expect(together.results).toEqual(
      (await retriever.rank("Which metal melts?", long, { windows: { windowTokens: together.windows!.windowTokens } }))
        .results,
    );
  });

  test("where they would take more cells than eight contexts of training, however large a context may be", async () => {
    const trained = 128;
    const model = makeVariant("tiny-llama", "trained-on-128", { "llama.context_length": u32(trained) });
    await using retriever = await loadApart("tiny-llama", { model });
    const few = Array.from({ length: 8 }, (_, i) => `Ferry ${i} leaves the old harbour.`);
    expect((await retriever.rank("When does it leave?", few)).windows).toBeUndefined();
    const most = Array.from({ length: 40 }, (_, i) => `Ferry ${i} leaves at noon. `.repeat(Math.ceil(trained / 25)));
    const { windows, usage } = await retriever.rank("When does it leave?", most, { topK: 1 });
    expect(usage.promptTokens).toBeGreaterThan(8 * trained);
    expect(windows!.count).toBeGreaterThan(1);
  });
});
