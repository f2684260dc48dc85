// A query that goes on from what earlier ones left, with the bits of one that is asked first. Without flash attention no pass
// is filled up, so that tiny models keep the instruction and the null query as large ones do.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import type { QRRetriever, RankOptions, RankResult } from "../../src/index.ts";
import { temporaryFolder } from "../helpers/cli.ts";
import { rivers as documents } from "../helpers/documents.ts";
import { loadTiny } from "../helpers/retriever.ts";

const query = "Which river carries most water?";
const calls: [string, RankOptions][] = [
  [query, {}],
  ["What grows?", {}],
  [query, { headScores: true }],
  [query, { calibration: false }],
  ["N/A", {}],
  [query, { nullQuery: "Nothing at all" }],
  // Its first character joins the label before it, in some vocabularies.
  [":: which one?", {}],
  // The cache grows for it, and its cells are copied.
  ["river ".repeat(1000), {}],
  [query, { headScores: true, calibration: false }],
  [query, {}],
];
const files = temporaryFolder();
afterAll(() => files.remove());

const contents = ({ timings: _, ...result }: RankResult) => result;

describe.each([
  ["tiny-llama-spm", "listwise"],
  ["tiny-gemma3", "listwise"],
  ["tiny-llama-spm", "independent"],
] as const)("%s, %s", (name, layout) => {
  const load = { flashAttention: false, layout, contextSize: 4096 };

  test("a query has the same results whatever was asked before it, also in a corpus that was saved", async () => {
    const expected: unknown[] = [];
    for (const [asked, options] of calls) {
      await using fresh = await loadTiny(name, load);
      expected.push(contents(await fresh.rank(asked, documents, options)));
    }
    await using retriever = await loadTiny(name, load);
    for (const order of [calls.keys(), [...calls.keys()].reverse()]) {
      for (const index of order) {
        const [asked, options] = calls[index]!;
        expect(contents(await retriever.rank(asked, documents, options)), asked).toEqual(expected[index]);
      }
    }
    const file = files.path(`${name}-${layout}.corpus`);
    await using corpus = await retriever.corpus(documents);
    expect(contents(await corpus.rank(query))).toEqual(expected[0]);
    // While the instruction stands behind the documents.
    await corpus.save(file);
    expect(contents(await corpus.rank("What grows?"))).toEqual(expected[1]);
    await using loaded = await retriever.loadCorpus(file);
    for (const index of [2, 0, 1]) {
      const [asked, options] = calls[index]!;
      expect(contents(await loaded.rank(asked, options))).toEqual(expected[index]);
    }
    const { results } = await loaded.rankMany([query, "N/A"]);
    expect(results.map(contents)).toEqual([expected[0], expected[4]]);
  });
});

describe.each(["listwise", "independent"] as const)("a saved corpus, %s,", (layout) => {
  const load = { flashAttention: false, layout };
  const fileOf = async (name: string, options = {}) => {
    const file = files.path(`${name}-${layout}.corpus`);
    await using retriever = await loadTiny("tiny-llama-spm", { ...load, ...options });
    await using corpus = await retriever.corpus(documents);
    await corpus.save(file);
    return { file, expected: contents(await corpus.rank(query)) };
  };
  /** Phases of the first query over a corpus as a new process has it. */
  const firstPhases = async (file: string, options = {}, asked: RankOptions = {}) => {
    await using retriever = await loadTiny("tiny-llama-spm", { ...load, ...options });
    return await phasesOf(retriever, file, asked);
  };
  const phasesOf = async (retriever: QRRetriever, file: string, asked: RankOptions = {}) => {
    await using corpus = await retriever.loadCorpus(file);
    const phases = new Set<string>();
    const result = await corpus.rank(query, { ...asked, onProgress: ({ phase }) => phases.add(phase) });
    return { phases: [...phases], result: contents(result) };
  };

  test("has what the null query saw, whatever the number of threads", async () => {
    const { file, expected } = await fileOf("kept");
    for (const threads of [1, 2]) {
      expect(await firstPhases(file, { threads })).toEqual({ phases: ["query"], result: expected });
    }
  });

  test("asks the null query again for other heads, for heads apart, and never another one's", async () => {
    const { file } = await fileOf("other");
    const heads = "1-0,0-3";
    const other = await fileOf("other-heads", { heads });
    const known = await fileOf("other-null", { nullQuery: "Nothing at all" });
    expect(await firstPhases(file, { heads })).toEqual({ phases: ["null", "query"], result: other.expected });
    expect((await firstPhases(file, {}, { headScores: true })).phases).toEqual(["null", "query"]);
    expect(await firstPhases(known.file, { nullQuery: "Nothing at all" })).toEqual({
      phases: ["query"],
      result: known.expected,
    });
    await expect(firstPhases(known.file)).rejects.toMatchObject({ code: "CORPUS_MISMATCH" });
  });

  test("of the version before is read, and then asks the null query", async () => {
    const { file, expected } = await fileOf("before");
    const { bytes, kept } = parts(readFileSync(file));
    bytes.writeUInt32LE(3, 8);
    writeFileSync(file, signed(bytes.subarray(0, kept)));
    expect(await firstPhases(file)).toEqual({ phases: ["null", "query"], result: expected });
    bytes.writeUInt32LE(2, 8);
    writeFileSync(file, signed(bytes.subarray(0, kept)));
    await expect(firstPhases(file)).rejects.toMatchObject({ name: "InputError", code: "CORPUS_INVALID" });
  });

  test("with damage in what it keeps is an error and no ranking, also where the checksum is right", async () => {
    const { file, expected } = await fileOf("damaged");
    await using retriever = await loadTiny("tiny-llama-spm", load);
    const first = () => phasesOf(retriever, file);
    const whole = readFileSync(file);
    const { bytes, kept } = parts(whole);
    const invalid = { name: "InputError", code: "CORPUS_INVALID" };
    const step = Math.max(1, Math.floor((whole.length - kept) / 40));
    for (let at = kept; at < whole.length; at += step) {
      const flipped = Buffer.from(whole);
      flipped[at]! ^= 1 << (at % 8);
      writeFileSync(file, flipped);
      await expect(first()).rejects.toMatchObject(invalid);
      writeFileSync(file, whole.subarray(0, at));
      await expect(first()).rejects.toMatchObject(invalid);
    }
    const forge = (change: (bytes: Buffer) => Buffer | undefined) => {
      const forged = Buffer.from(bytes);
      writeFileSync(file, signed(change(forged) ?? forged));
      return first();
    };
    const write = (value: number, at: number) => (forged: Buffer) => void forged.writeInt32LE(value, kept + at);
    // Its head: cells, kind, bytes. The bytes of its cells, and how many numbers follow. llama.cpp's number of streams, cells
    // and sequences of the first cell, and that cell's position.
    for (const at of [0, 4, 8, 12, 80, 84, 88, 92, 104, 108, 112, 116]) {
      await expect(forge(write(-77, at)), String(at)).rejects.toMatchObject(invalid);
    }
    await expect(forge((forged) => forged.subarray(0, kept))).rejects.toMatchObject(invalid);
    for (const value of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
      const spoil = (forged: Buffer) => void forged.writeFloatLE(value, forged.length - 4);
      await expect(forge(spoil)).rejects.toMatchObject(invalid);
    }
    // A number more for the instruction, and one less for the null query.
    const shifted = (forged: Buffer) => {
      forged.writeUInt32LE(forged.readUInt32LE(kept + 88) + 1, kept + 88);
      forged.writeUInt32LE(forged.readUInt32LE(kept + 92) - 1, kept + 92);
    };
    await expect(forge((forged) => void shifted(forged))).rejects.toMatchObject(invalid);
    // Names of something else: nothing of it is used.
    expect(await forge(write(1, 16))).toEqual({ phases: ["null", "query"], result: expected });
    expect(await forge(write(1, 48))).toEqual({ phases: ["null", "query"], result: expected });
    expect(await forge(() => undefined)).toEqual({ phases: ["query"], result: expected });
  });
});

/** What a saved corpus's digest is of, and where in it the record of what is kept begins. */
function parts(whole: Buffer): { bytes: Buffer; kept: number } {
  const bytes = Buffer.from(whole.subarray(0, -32));
  let at = 16 + bytes.readUInt32LE(12);
  while (bytes.readBigUInt64LE(at + 8) > 0) at += 16 + Number(bytes.readBigUInt64LE(at + 8));
  return { bytes, kept: at + 16 };
}

function signed(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, createHash("sha256").update(bytes).digest()]);
}

test("what is kept for the next query counts as memory of the corpus, and goes with it", async () => {
  await using retriever = await loadTiny("tiny-llama", { flashAttention: false });
  await using corpus = await retriever.corpus(documents);
  const { bytes } = corpus;
  const { usage } = await corpus.rank(query);
  const cells = usage.promptTokens - usage.queryTokens;
  // A number a token for the instruction, and one for the null query.
  expect(corpus.bytes).toBe(bytes + 2 * 4 * cells);
  const phases = new Set<string>();
  await corpus.rank("What grows?", { onProgress: ({ phase }) => phases.add(phase) });
  expect([...phases]).toEqual(["query"]);
  await corpus.dispose();
  expect(corpus.bytes).toBe(0);
});
