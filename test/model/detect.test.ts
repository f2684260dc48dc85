import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { formatHeadSet } from "../../src/detect/format.ts";
import {
  type DetectionExampleInput,
  type DetectOptions,
  detectHeads,
  type ExampleProgress,
} from "../../src/detect/index.ts";
import { ContextOverflowError, parseHeadSet, type RankDocument } from "../../src/index.ts";
import { slimModel } from "../../src/model/slim.ts";
import { QRRetriever } from "../../src/retriever.ts";
import { EXAMPLES } from "../helpers/detect-examples.ts";
import { modelPath, plantedHeads } from "../helpers/models.ts";
import { loadTiny } from "../helpers/retriever.ts";

const folder = mkdtempSync(path.join(tmpdir(), "qrhead-detect-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const detect = (model: string, options: Partial<DetectOptions> = {}) =>
  detectHeads({ model: modelPath(model), gpu: false, threads: 1, examples: EXAMPLES, ...options });

test("heads that see a part of the prompts only are left to others, but for a model with no others", async () => {
  const { heads, scores, model, quality } = await detect("tiny-gemma3", { top: 500 });
  const local = model.slidingWindow!.layers!;
  const sighted = [...Array(model.layers).keys()].filter((layer) => !local.includes(layer));
  expect(sighted.length).toBeGreaterThan(0);
  expect(new Set(heads.map(([layer]) => layer))).toEqual(new Set(sighted));
  expect(heads).toHaveLength(sighted.length * model.heads);
  expect(quality!.byHeads.at(-1)!.heads).toBe(heads.length);
  // The map is of every head all the same.
  for (const layer of local) expect(scores[layer]!.every((score) => Number.isFinite(score))).toBe(true);
});

describe("the planted heads", () => {
  test.each(["mass", "ndcg", "contrastive"] as const)(
    "come first by %s, and no other head is near",
    async (objective) => {
      const { heads, scores } = await detect("planted", { objective, top: 16 });
      expect(heads).toHaveLength(16);
      expect(heads.slice(0, plantedHeads.length).map(String).sort()).toEqual(plantedHeads.map(String).sort());
      const values = heads.map(([layer, head]) => scores[layer]![head]!);
      expect(values).toEqual(values.toSorted((a, b) => b - a));
      expect(values[plantedHeads.length - 1]).toBeGreaterThan(1.3 * values[plantedHeads.length]!);
      if (objective === "ndcg") expect(values[0]).toBe(1);
    },
  );

  test("make a file that reads back, and rank", async () => {
    const found = await detect("planted", {
      top: plantedHeads.length,
      sourceName: "our examples",
      nullQuery: "nothing",
    });
    const file = path.join(folder, "heads.json");
    writeFileSync(file, formatHeadSet(found));
    expect(parseHeadSet(readFileSync(file, "utf8"), file)).toEqual(found);
    expect(Object.keys(JSON.parse(readFileSync(file, "utf8")))).toEqual([
      ...["format", "version", "model", "prompt", "nullQuery", "objective", "seed", "source", "heads"],
      "calibration",
      ...["stability", "quality", "scores"],
    ]);
    expect(found).toMatchObject({
      format: "qrhead-heads",
      version: 1,
      model: { name: "Planted retrieval heads 7", architecture: "llama", layers: 4, heads: 8 },
      nullQuery: "nothing",
      objective: "mass",
      source: { name: "our examples", examples: EXAMPLES.length },
    });
    expect(found.scores.map((row) => row.length)).toEqual([8, 8, 8, 8]);

    await using retriever = await loadTiny("planted", { heads: file });
    expect(retriever.prompt).toBe(found.prompt);
    for (const { query, docs, gold } of EXAMPLES) {
      const { results, warnings, calibration } = await retriever.rank(query!, docs as RankDocument[], {
        threshold: 0.5,
      });
      expect(calibration).toEqual({
        a: found.calibration!.listwise!.a,
        b: found.calibration!.listwise!.b,
        fitted: true,
      });
      expect(gold).toContain(results[0]!.id);
      expect(warnings).toEqual([]);
    }
  });
});

describe("examples", () => {
  const [first, second, third] = EXAMPLES as [DetectionExampleInput, DetectionExampleInput, DetectionExampleInput];

  test("are drawn by seed, the same ones each time", async () => {
    const seen: string[] = [];
    const draw = (options: Partial<DetectOptions>) => {
      seen.length = 0;
      const onExample = ({ phase, id }: ExampleProgress) => void (phase === "score" && seen.push(id));
      return detect("tiny-llama", { limit: 3, onExample, ...options });
    };
    const given = await draw({});
    expect(seen).toEqual(["lamp", "honey", "valleys"]);
    expect(given.source.examples).toBe(3);
    expect(given).toEqual(await detect("tiny-llama", { examples: [first, second, third] }));

    const shuffled = await draw({ shuffle: 1 });
    const drawn = [...seen];
    expect(await draw({ shuffle: 1 })).toEqual(shuffled);
    expect(seen).toEqual(drawn);
    expect(new Set(drawn).size).toBe(3);
    await draw({ shuffle: 2 });
    expect(seen).not.toEqual(drawn);
  });

  test("are reported one by one, first when checked and then when scored", async () => {
    const events: string[] = [];
    await detect("tiny-llama", {
      examples: [first, second],
      onProgress: ({ phase, done, total }) => void (done === total && events.push(phase)),
      onExample: ({ phase, done, total, id }) => events.push(`${phase} ${id} ${done}/${total}`),
    });
    const passes = ["prefill", "null", "query"];
    expect(events.filter((event) => event !== "load")).toEqual([
      ...["check lamp 1/2", "check honey 2/2"],
      ...[...passes, "score lamp 1/2", ...passes, "score honey 2/2"],
    ]);
  });

  test("that do not fit are an error that names them, before any is scored", async () => {
    const long = { ...second, position: "e.jsonl, line 2", docs: [...second.docs!, "word ".repeat(1000)] };
    const phases: string[] = [];
    const onExample = ({ phase }: ExampleProgress) => void phases.push(phase);
    const detecting = detect("tiny-llama", { examples: [first, long], contextSize: 512, onExample });
    await expect(detecting).rejects.toBeInstanceOf(ContextOverflowError);
    await expect(detecting).rejects.toThrow(
      /^The prompt of e\.jsonl, line 2 \(id "honey"\) has 1\d{3} tokens but the context holds 512: use a contextSize/,
    );
    expect(phases).toEqual(["check"]);
    const cut = await detect("tiny-llama", { examples: [first, long], contextSize: 512, maxDocumentTokens: 50 });
    expect(cut.source.examples).toBe(2);
  });
});

test("stops when it is aborted, or a callback throws", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const aborting = detect("tiny-llama", {
    signal: controller.signal,
    onExample: ({ phase }) => void (phase === "score" && controller.abort(reason)),
  });
  await expect(aborting).rejects.toBe(reason);
  const onExample = () => {
    throw reason;
  };
  await expect(detect("tiny-llama", { onExample })).rejects.toBe(reason);
});

test("a fingerprint is of the file's contents and not of its name", async () => {
  const examples = EXAMPLES.slice(0, 1);
  const original = await detect("tiny-llama", { examples });
  const copy = path.join(folder, "another-name.gguf");
  copyFileSync(modelPath("tiny-llama"), copy);
  const same = await detect("tiny-llama", { examples, model: copy });
  expect(same).toEqual(original);
  expect(same.model.fingerprint).toMatch(/^[0-9a-f]{64}$/);

  const bytes = readFileSync(copy);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(copy, bytes);
  const changed = await detect("tiny-llama", { examples, model: copy });
  expect(changed.model.fingerprint).not.toBe(same.model.fingerprint);
});

test("a slim model is refused: its best heads may be gone", async () => {
  const output = path.join(folder, "slim.gguf");
  await slimModel({ load: QRRetriever.load, model: modelPath("tiny-llama"), heads: "1-0", output, gpu: false });
  await expect(detect("tiny-llama", { model: output })).rejects.toMatchObject({
    code: "INVALID_INPUT",
    message: expect.stringMatching(
      /^Model slim\.gguf was slimmed to layers 0 to 1 of 4, .* find heads with the whole model$/,
    ),
  });
});

test.each<[options: object, message: RegExp]>([
  [{ objective: "recall" }, /^Expected one of mass, ndcg, contrastive for objective but received "recall"/],
  [{ temperature: 1 }, /^Expected the objective contrastive for temperature but received "mass"/],
  [{ objective: "contrastive", temperature: 0 }, /^Expected a number above 0 for temperature but received 0/],
  [{ objective: "contrastive", temperature: Number.NaN }, /^Expected a number above 0 for temperature/],
  [{ objective: "ndcg", rawMass: true }, /^Expected the objective mass for rawMass but received "ndcg"/],
  [{ rawMass: 1 }, /^Expected true or false for rawMass/],
  [{ rawMass: true, nullQuery: "x" }, /^Option nullQuery does not apply to rawMass/],
  [{ objective: "contrastive", nullQuery: "x" }, /^Option nullQuery does not apply to the objective contrastive/],
  [{ top: 0 }, /^Expected an integer of at least 1 or "auto" for top but received 0/],
  [{ limit: 1.5 }, /^Expected an integer of at least 1 for limit but received 1.5/],
  [{ shuffle: -1 }, /^Expected an integer from 0 to 4294967295 for shuffle but received -1/],
  [{ sourceName: " " }, /^Expected a text that is not blank for sourceName/],
  [{ onExample: 1 }, /^Expected a function for onExample/],
  [{ heads: "all" }, /^Option heads does not apply to detection/],
  [{ mask: false }, /^Option mask does not apply to detection/],
  [{ threads: 0 }, /^Expected an integer from 1 to 512 for threads/],
  [{ nonsense: 1 }, /^Unknown option nonsense/],
  [{ examples: [] }, /^Expected an array of at least one example for examples/],
])("%o is refused", async (options, message) => {
  const detecting = detect("planted", options as Partial<DetectOptions>);
  await expect(detecting).rejects.toMatchObject({ name: "InputError", code: "INVALID_ARGUMENT" });
  await expect(detecting).rejects.toThrow(message);
});
