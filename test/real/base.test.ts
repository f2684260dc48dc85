// The base model is built from released weights: `npm run models:real -- smollm2` fetches them; skipped without.
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildModel } from "../../scripts/base/build.ts";
import { readVocabulary } from "../../scripts/base/cut.ts";
import { readGgufHeader } from "../../scripts/models/gguf-reader.ts";
import { QRRetriever } from "../../src/index.ts";
import { hasReal, REAL_MODELS } from "../helpers/real-models.ts";
import { questions, sections } from "./handbook.ts";

const manifest = JSON.parse(readFileSync("packages/base/package.json", "utf8"));

describe.skipIf(!hasReal("smollm2"))("the base model", { timeout: 300_000 }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), "qrhead-base-"));
  const file = path.join(folder, manifest.gguf);
  let base: QRRetriever;
  beforeAll(async () => {
    buildModel("base", file, true);
    base = await QRRetriever.load({ model: file, gpu: false, threads: 1 });
  });
  afterAll(async () => {
    await base?.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  test("is the same to the last bit wherever it is built, and at most 45 MB", () => {
    expect(createHash("sha256").update(readFileSync(file)).digest("hex")).toBe(manifest.sha256);
    expect(statSync(file).size).toBeLessThan(45e6);
  });

  test("is recognised by its header, and known to be a part of a model", () => {
    expect(base.headSet).toBe("qrhead-base-v3");
    expect(base.layout).toBe("independent");
    expect(base.model).toMatchObject({ layers: 8, originalLayers: 30 });
  });

  test("splits ordinary text as the whole model does, and every text into bytes at least", async () => {
    await using whole = await QRRetriever.load({ model: REAL_MODELS.smollm2, gpu: false, threads: 1 });
    const names = (model: string) => readVocabulary(readGgufHeader(model).entries).tokens;
    const [few, all] = [names(file), names(REAL_MODELS.smollm2)];
    const known = new Set(few);
    const code = "```ts\nexport const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);\n```\n";
    for (const text of [...sections, ...questions, code, "日本語 עברית 🙂 ñandú\u0000"]) {
      const before = [...(await whole.tokenize(text)).tokens].map((id) => all[id]!);
      const { tokens, offsets } = await base.tokenize(text);
      const after = [...tokens].map((id) => few[id]!);
      if (before.every((token) => known.has(token))) expect(after).toEqual(before);
      else expect(after.length).toBeGreaterThan(before.length);
      expect(offsets.at(-1)).toBe(Buffer.byteLength(text));
    }
    expect(few.length).toBeLessThan(all.length);
  });

  test("says of the other layout that it ranks worse in it", async () => {
    const { warnings } = await base.rank(questions[0]!, sections, { layout: "listwise" });
    expect(warnings).toEqual([expect.stringContaining('use layout: "independent"')]);
  });

  test.each(questions.map((question, index) => ({ question, index })))(
    "ranks first by its heads what answers: $question",
    async ({ question, index }) => {
      const { results, warnings } = await base.rank(question, sections, { fuse: "none" });
      expect(results[0]!.index).toBe(index);
      expect(warnings).toEqual([]);
    },
  );
});
