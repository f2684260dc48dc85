// Documents in sequences of their own, against a forward pass in double precision with the same positions and mask.
import { beforeAll, describe, expect, test } from "vitest";
import {
  createContext,
  largestDifference,
  load,
  never,
  observeHeads,
  passages,
  rowsOf,
  tokensOf,
} from "../helpers/addon.ts";
import { modelPath } from "../helpers/models.ts";
import { attentionRows } from "../helpers/reference/attention.ts";
import { loadReference } from "../helpers/reference/model.ts";

/** Per entry; the documents' own cells are in single precision here, and flash attention mixes values in half. */
const EXACT = 1e-6;
const FLASH = 5e-4;

const PREFIX = 9;
const DOCUMENTS = [14, 31, 5, 22];
const QUERY = 12;

describe.each(["tiny-llama", "tiny-qwen2"])("%s", (name) => {
  let model: Awaited<ReturnType<typeof load>>;
  let parts: { prefix: Int32Array; documents: Int32Array[]; query: Int32Array };
  let expected: Float64Array[];

  beforeAll(async () => {
    model = await load(name);
    const all = await tokensOf(model, passages);
    let at = PREFIX;
    const next = (count: number) => {
      at += count;
      return all.slice(at - count, at);
    };
    parts = { prefix: all.slice(0, PREFIX), documents: DOCUMENTS.map(next), query: next(QUERY) };

    // Owner of each token: −1 for the prefix, the document's index, or past them for the query.
    const owners = [-1, ...DOCUMENTS.keys(), DOCUMENTS.length].flatMap((owner) =>
      Array<number>([PREFIX, ...DOCUMENTS, QUERY][owner + 1]!).fill(owner),
    );
    const firstOf = (owner: number) => owners.indexOf(owner);
    const queryAt = firstOf(DOCUMENTS.length);
    const rows = attentionRows(
      loadReference(modelPath(name)),
      [...parts.prefix, ...parts.documents.flatMap((document) => [...document]), ...parts.query],
      queryAt,
      queryAt + QUERY,
      {
        positionOf: (token) => {
          const owner = owners[token]!;
          if (owner === -1) return token;
          const start = owner === DOCUMENTS.length ? PREFIX + Math.max(...DOCUMENTS) : PREFIX;
          return start + token - firstOf(owner);
        },
        sees: (token, other) => {
          const [own, its] = [owners[token]!, owners[other]!];
          return its === -1 || its === own || own === DOCUMENTS.length;
        },
      },
    );
    const means = rows.flat().map((ofHead) => {
      const mean = new Float64Array(queryAt);
      for (const row of ofHead) for (let t = 0; t < queryAt; t++) mean[t]! += row[t]! / ofHead.length;
      return mean;
    });
    expected = means;
    return () => model.dispose();
  });

  test.each([
    [false, 512, 5],
    [false, 16, 3],
    [true, 512, 5],
    [true, 16, 2],
  ])(
    "attends as the reference does (flash attention %s, ubatches of %i, %i sequences)",
    async (flashAttention, batchSize, sequences) => {
      const options = { flashAttention, batchSize, cacheTypeK: "f32", cacheTypeV: "f32" };
      const reader = await createContext(model, { ...options, sequences });
      const context = await createContext(model, { ...options, sequences: 2 });
      try {
        await reader.prefill(parts.prefix, never);
        await context.prefill(parts.prefix, never);
        await context.putDocuments(await reader.readDocuments(parts.documents, { keep: false, copy: true }, never));
        const attention = await observeHeads(context, parts.query);
        const onDocuments = rowsOf(attention).map((row) => row.slice(0, expected[0]!.length));
        expect(largestDifference(onDocuments, expected)).toBeLessThan(flashAttention ? FLASH : EXACT);
      } finally {
        await Promise.all([reader.dispose(), context.dispose()]);
      }
    },
  );
});
