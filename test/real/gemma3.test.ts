// A released base model with sliding windows. `npm run models:real` fetches it; without it these are skipped.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { QRRetriever } from "../../src/index.ts";
import { hasReal, REAL_MODELS } from "../helpers/real-models.ts";
import { questions, sections } from "./handbook.ts";

describe.skipIf(!hasReal("gemma3"))("Gemma 3 270M", { timeout: 300_000 }, () => {
  let retriever: QRRetriever;
  beforeAll(async () => {
    retriever = await QRRetriever.load({ model: REAL_MODELS.gemma3, gpu: false, threads: 1 });
  });
  afterAll(() => retriever?.dispose());

  test("ranks with published heads, all of which see the whole prompt", async () => {
    expect(retriever.headSet).toBe("qrhead-gemma-3-270m");
    const local = new Set(retriever.model.slidingWindow!.layers);
    expect(retriever.heads.filter(([layer]) => local.has(layer))).toEqual([]);
    const pages = Array.from({ length: 3 }, (_, copy) => sections.map((text) => `Page ${copy}. ${text}`)).flat();
    const { usage, warnings } = await retriever.rank(questions[0]!, pages);
    expect(usage.promptTokens).toBeGreaterThan(512);
    expect(warnings).toEqual([]);
  });
});
