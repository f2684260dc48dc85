// Detection without labels, in several runs, and with an eye on how far the heads can be trusted.
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bootstrapExamples } from "../../src/detect/bootstrap.ts";
import { BOOTSTRAP_TEXT } from "../../src/detect/bootstrap-text.ts";
import { formatHeadSet } from "../../src/detect/format.ts";
import { type DetectOptions, detectHeads, type ExampleProgress } from "../../src/detect/index.ts";
import { temporaryFolder } from "../helpers/cli.ts";
import { modelPath, plantedHeads } from "../helpers/models.ts";

const files = temporaryFolder();
afterAll(() => files.remove());

const sorted = (heads: readonly (readonly number[])[]) => heads.map(String).sort();
const detect = (options: Partial<DetectOptions> & Pick<DetectOptions, "examples">) =>
  detectHeads({ model: modelPath("planted"), gpu: false, threads: 1, ...options });

describe("the bootstrap", () => {
  const other = [
    "Der Leuchtturm steht seit langer Zeit auf der Klippe. Sein Wärter kletterte jeden Abend hinauf. Er putzte die Linse.",
    "Bienen tanzen im dunklen Stock. Der Imker beruhigt sie mit Rauch. Danach nimmt er die Waben heraus.",
    "Gletscher schieben Geröll vor sich her. Sie formen breite Täler. Zurück bleiben Moränen aus Schutt.",
    "Gutenberg goss einzelne Buchstaben aus Metall. Der Drucker setzte sie zu Zeilen. Bücher wurden billiger.",
    "Der Mond zieht am Meer. Zweimal täglich steigt das Wasser. Bei Neumond kommt die Springflut.",
  ]
    .map(
      (passage) =>
        `${passage} ${passage.replaceAll(/\b(Der|Die|Sie|Er)\b/g, "Auch").replaceAll(/\.(?=\s|$)/g, " wieder.")}`,
    )
    .map(
      (passage, index) =>
        `${passage} Abschnitt ${index} endet mit ${"vielen weiteren schlichten Worten ".repeat(4)}hier.`,
    )
    .join("\n\n");

  test.each(["mixed", "fact", "sentence", "keywords"] as const)(
    "with needle %s returns exactly the planted heads first",
    async (needle) => {
      const examples = bootstrapExamples([BOOTSTRAP_TEXT], { needle, examples: 3, documents: 4 });
      for (const objective of ["mass", "ndcg", "contrastive"] as const) {
        const { heads, scores } = await detect({ examples, objective });
        expect(sorted(heads.slice(0, plantedHeads.length))).toEqual(sorted(plantedHeads));
        const values = scores.flat().sort((a, b) => b - a);
        expect(values[plantedHeads.length - 1]).toBeGreaterThan(values[plantedHeads.length]! + 0.02);
        for (const [layer, head] of heads) expect(scores[layer]![head]).toBeGreaterThan(0);
      }
    },
  );

  test("does so from a small text in another language", async () => {
    const examples = bootstrapExamples([other], { examples: 3 });
    const { heads } = await detect({ examples, top: plantedHeads.length });
    expect(sorted(heads)).toEqual(sorted(plantedHeads));
  });
});

describe("a run in several parts", () => {
  const examples = bootstrapExamples([BOOTSTRAP_TEXT], { examples: 9, documents: 4 });
  const options = { examples, objective: "contrastive", top: "auto", fitWeights: true, shuffle: 3 } as const;
  const whole = files.path("whole.jsonl");
  let expected: string;

  beforeAll(async () => {
    expected = formatHeadSet(await detect({ ...options, checkpoint: whole }));
  });

  test("writes the same file whether it had a checkpoint or not", async () => {
    expect(formatHeadSet(await detect(options))).toBe(expected);
  });

  test("ends with the same file to the byte, wherever it was killed, and reads no example twice", async () => {
    const content = readFileSync(whole);
    const ends = [...content.keys()].filter((index) => content[index] === 0x0a);
    // In the header, just behind it, in the middle of an example, and behind the last.
    for (const length of [10, ends[0]! + 1, ends[6]! + 40, content.length]) {
      const file = files.path("killed.jsonl");
      writeFileSync(file, content.subarray(0, length));
      const kept = Math.max(0, ends.filter((end) => end < length).length - 1);
      const scored: string[] = [];
      const progress: ExampleProgress[] = [];
      const onExample = (step: ExampleProgress) => void (step.phase === "score" && progress.push(step));
      const found = await detect({ ...options, checkpoint: file, resume: true, onExample });
      expect(formatHeadSet(found)).toBe(expected);
      expect(readFileSync(file).equals(content)).toBe(true);
      for (const { id, done, resumed } of progress) if (done !== resumed) scored.push(id);
      expect(scored).toHaveLength(9 - kept);
      expect(progress.every(({ resumed }) => resumed === (kept || undefined))).toBe(true);
    }
  });

  test("goes on after an abort, and with more examples than before", async () => {
    const file = files.path("aborted.jsonl");
    const controller = new AbortController();
    const onExample = ({ phase, done }: ExampleProgress) =>
      void (phase === "score" && done === 4 && controller.abort());
    const aborted = detect({ ...options, limit: 8, checkpoint: file, signal: controller.signal, onExample });
    await expect(aborted).rejects.toMatchObject({ name: "AbortError" });
    await expect(detect({ ...options, checkpoint: file })).rejects.toThrow(/holds 4 examples of an unfinished run/);
    expect((await detect({ ...options, limit: 8, checkpoint: file, resume: true })).source.examples).toBe(8);
    expect(formatHeadSet(await detect({ ...options, checkpoint: file, resume: true }))).toBe(expected);
  });

  test("does not go on with another objective, prompt, model or order", async () => {
    const changes = [
      { objective: "mass" },
      { prompt: "llama3" },
      { model: modelPath("tiny-llama") },
      { shuffle: 4 },
      { maxDocumentTokens: 50 },
    ] as const;
    for (const change of changes) {
      const file = files.path("changed.jsonl");
      copyFileSync(whole, file);
      await expect(detect({ ...options, ...change, checkpoint: file, resume: true })).rejects.toMatchObject({
        code: "INVALID_INPUT",
      });
      expect(readFileSync(file).equals(readFileSync(whole))).toBe(true);
    }
  });
});

describe("trust", () => {
  const examples = bootstrapExamples([BOOTSTRAP_TEXT], { examples: 20, documents: 4, seed: 5 });

  test("says how stable the heads are, how well they rank, and what weights would add", async () => {
    const set = await detect({ examples, top: plantedHeads.length, fitWeights: true, seed: 2, limit: 12 });
    expect(set).toMatchObject({ seed: 2, source: { examples: 12 } });
    expect(set.stability).toMatchObject({ examples: 6, overlap: 1, chance: plantedHeads.length / 32 });
    expect(set.quality!.byHeads.map(({ heads }) => heads)).toEqual([4, 8, 16, 32]);
    expect(set.quality!.byHeads[0]).toEqual({ heads: 4, ndcg: 1, rPrecision: 1 });
    // All planted heads match alike, so that weights cannot rank better than a ranking without fault.
    expect(set.fit).toMatchObject({ kept: false, ndcg: { plain: 1 } });
    expect(set.weights).toBeUndefined();
  });

  test("chooses eight heads where four rank all examples as perfectly", async () => {
    // No head has an nDCG of zero, and only five a mass above zero.
    const objective = "ndcg";
    expect((await detect({ examples, objective, top: "auto", limit: 8 })).heads).toHaveLength(8);
    // Which is what is done where nothing is said and there are enough examples.
    expect((await detect({ examples, objective, limit: 8 })).heads).toHaveLength(8);
    expect((await detect({ examples, objective, limit: 3 })).heads).toHaveLength(16);
    expect((await detect({ examples, top: "auto", limit: 8 })).heads).toHaveLength(5);
  });

  test("lets detection stop as soon as the heads are stable", async () => {
    const stable = await detect({ examples, top: plantedHeads.length, untilStable: 1 });
    expect(stable.source.examples).toBe(8);
    // The heads of a random model have nothing to agree on.
    const unstable = await detect({ examples, model: modelPath("tiny-llama"), top: 4, untilStable: 1 });
    expect(unstable.source.examples).toBe(20);
  });

  test("needs enough examples", async () => {
    await expect(detect({ examples: examples.slice(0, 3), top: "auto" })).rejects.toThrow(
      /^Expected at least 4 examples for top "auto" but received 3/,
    );
    await expect(detect({ examples, limit: 7, fitWeights: true })).rejects.toThrow(
      /^Expected at least 8 examples for fitWeights but received 7/,
    );
    const few = await detect({ examples: examples.slice(0, 3) });
    expect([few.stability, few.quality, few.fit]).toEqual([undefined, undefined, undefined]);
  });
});

describe("examples longer than the context", () => {
  const examples = bootstrapExamples([BOOTSTRAP_TEXT], { examples: 4, documents: 5 });
  const long = {
    ...examples[1]!,
    docs: examples[1]!.docs!.map((document) => ({ ...(document as object), text: "word ".repeat(500) })),
  };

  test("are left out and counted, where that is wanted", async () => {
    const set = await detect({ examples: [examples[0]!, long, examples[2]!], contextSize: 1500, skipLong: true });
    expect(set.source).toEqual({ name: "examples", examples: 2, skipped: 1 });
    const only = detect({ examples: [long], contextSize: 1500, skipLong: true });
    await expect(only).rejects.toThrow(/^The only example is longer than the context/);
  });
});
