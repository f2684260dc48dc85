// What there is to misuse: every function, class and member of the addon, with arguments as they should be and wrong ones.
import { addon, createContext, everyHead, load, never, observeHeads } from "./addon.ts";
import { modelPath } from "./models.ts";

export const three = Int32Array.of(1, 2, 3);
const loadOptions = { path: modelPath("tiny-llama-spm"), gpuLayers: 0, useMmap: true };
const slimOptions = { input: "a", output: "b", layers: 1, totalLayers: 2, metadata: {} };
export const model = await load("tiny-llama-spm");
export const context = await createContext(model, { contextSize: 2048, batchSize: 64, sequences: 2, earlyStop: false });
export const attention = await observeHeads(context, three);
await context.prefill(three, never);
export const cells = await context.saveCells();
const contextOptions = {
  ...{ contextSize: 256, batchSize: 64, threads: 1, cacheTypeK: "f16", cacheTypeV: "f16", flashAttention: true },
  ...{ offloadKqv: false, heads: everyHead(model.info()), earlyStop: true },
};

const writerOptions = {
  ...{ contextSize: 256, batchSize: 64, threads: 1, cacheTypeK: "f16", cacheTypeV: "f16" },
  ...{ flashAttention: true, offloadKqv: false },
};
export const sampling = { temperature: 0, topK: 40, topP: 0.95, seed: 0, repeatPenalty: 1, afresh: false };
export const writer = await model.createWriter(writerOptions);
await writer.read(three, sampling, never);

export const objects = {
  addon,
  Model: model,
  Context: context,
  Writer: writer,
  Attention: attention,
  CellState: cells,
  Cancellation: never,
} as const;
export type Owner = keyof typeof objects;

/** All members of the addon, as `Owner.member`. */
export const surface = Object.entries(objects).flatMap(([owner, object]) =>
  Object.getOwnPropertyNames(owner === "addon" ? object : Object.getPrototypeOf(object))
    .filter((member) => member !== "constructor")
    .map((member) => `${owner}.${member}`),
);

type Wrong = [what: string, args: unknown[], error?: ErrorConstructor];

type Row = {
  /** Arguments as they should be; none for a property. The cancellation goes where `cancelled` says. */
  args?: unknown[];
  cancelled?: number;
  /** What is wrong, and arguments that have it. A TypeError comes of them, or a RangeError. */
  wrong?: Wrong[];
};

export const property: Row = {};
const noArguments: Row = { args: [] };
const number = (name: string, min: number, beyond: number): Wrong[] =>
  [min - 1, beyond, Number.NaN, Number.POSITIVE_INFINITY, "0", undefined].map((value) => [
    `${name} ${String(value)}`,
    [value],
    RangeError as ErrorConstructor,
  ]);
const without = (options: object, name: string, value: unknown) => ({ ...options, [name]: value });

export const rows: Record<string, Row> = {
  "addon.compiledVersion": property,
  "addon.libraryInfo": noArguments,
  "addon.canOpenLibrary": { args: ["libnowhere.so"] },
  "addon.loadBackends": { args: ["/nowhere"] },
  "addon.bind": {
    wrong: [
      ["nothing", []],
      ["no paths", [{}]],
      ["a number for a path", [{ directory: "a", llama: "b", ggml: "c", ggmlBase: 4 }]],
      ["a number for the release", [{ directory: "a", llama: "b", ggml: "c", ggmlBase: "d", release: 4 }]],
    ],
  },
  "addon.loadModel": {
    args: [loadOptions, never],
    cancelled: 1,
    wrong: [
      ["nothing", []],
      ["no path", [without(loadOptions, "path", undefined), never]],
      ["NaN layers", [without(loadOptions, "gpuLayers", Number.NaN), never]],
      ["text for a flag", [without(loadOptions, "useMmap", "yes"), never]],
      ["no cancellation", [loadOptions]],
      ["an AbortSignal", [loadOptions, new AbortController().signal]],
    ],
  },
  "addon.describeModel": {
    args: [{ path: modelPath("tiny-llama-spm") }, never],
    cancelled: 1,
    wrong: [
      ["nothing", []],
      ["a number for the path", [{ path: 4 }, never]],
      ["no cancellation", [{ path: "a" }]],
      ["a false cancellation", [{ path: "a" }, {}]],
    ],
  },
  "addon.slimModel": {
    args: [slimOptions, never],
    cancelled: 1,
    wrong: [
      ["nothing", [{}]],
      ["numbers for metadata", [{ ...slimOptions, metadata: { key: 1 } }]],
      ["no layers", [{ ...slimOptions, layers: 0 }]],
      ["a false cancellation", [slimOptions, {}]],
    ],
  },
  "addon.Cancellation": { wrong: [["no new", []]] },
  "addon.CellState": { wrong: [["no new", []]] },

  "Model.info": noArguments,
  "Model.tokenize": {
    args: [[{ text: "a", special: false }], never],
    cancelled: 1,
    wrong: [
      ["nothing", []],
      ["text", ["text"]],
      ["a hole", [[undefined]]],
      ["a number", [[{ text: 1, special: false }]]],
      ["a piece that does not say", [[{ text: "a" }]]],
      ["a false cancellation", [[], { cancelled: false }]],
    ],
  },
  "Model.createContext": {
    args: [contextOptions, never],
    cancelled: 1,
    wrong: [
      ["nothing", []],
      ["a false cancellation", [contextOptions, 1]],
      ...(
        [
          ["contextSize", 0],
          ["contextSize", 2 ** 31],
          ["batchSize", -1],
          ["batchSize", "64"],
          ["threads", Number.POSITIVE_INFINITY],
          ["cacheTypeK", 1],
          ["cacheTypeV", undefined],
          ["flashAttention", 0],
          ["offloadKqv", null],
          ["earlyStop", "no"],
          ["heads", [0, 0]],
          ["heads", Int32Array.of(0, 0, 1)],
          ["withoutHeads", [0, 0]],
          ["withoutHeads", Int32Array.of(0)],
          ["sequences", 0],
          ["sequences", 65],
        ] as const
      ).map(([name, value]): [string, unknown[]] => [
        `${name} ${String(value)}`,
        [without(contextOptions, name, value)],
      ]),
    ],
  },
  "Model.createWriter": {
    args: [writerOptions, never],
    cancelled: 1,
    wrong: [
      ["nothing", []],
      ["a false cancellation", [writerOptions, 1]],
      ...(
        [
          ["contextSize", 0],
          ["batchSize", "64"],
          ["threads", 513],
          ["cacheTypeK", 1],
          ["cacheTypeV", undefined],
          ["flashAttention", 0],
          ["offloadKqv", null],
          ["withoutHeads", [0, 0]],
          ["withoutHeads", Int32Array.of(0)],
        ] as const
      ).map(([name, value]): Wrong => [`${name} ${String(value)}`, [without(writerOptions, name, value)]]),
    ],
  },
  "Model.dispose": noArguments,

  "Writer.position": property,
  "Writer.contextSize": property,
  "Writer.read": {
    args: [three, sampling, never],
    cancelled: 2,
    wrong: [
      ["nothing", []],
      ["an array", [[1, 2, 3], sampling, never]],
      ["no options", [three, undefined, never]],
      ["no cancellation", [three, sampling]],
      ["a false cancellation", [three, sampling, { cancelled: false }]],
      ...(
        [
          ["temperature", -1],
          ["temperature", Number.NaN],
          ["topK", "40"],
          ["topP", 1.5],
          ["seed", 2 ** 32 - 1],
          ["repeatPenalty", 0],
          ["afresh", undefined],
        ] as const
      ).map(([name, value]): Wrong => [`${name} ${String(value)}`, [three, without(sampling, name, value), never]]),
    ],
  },
  "Writer.next": {
    args: [never],
    cancelled: 0,
    wrong: [
      ["nothing", []],
      ["an AbortSignal", [new AbortController().signal]],
    ],
  },
  "Writer.promptLogits": noArguments,
  "Writer.dispose": noArguments,

  "Context.position": property,
  "Context.contextSize": property,
  "Context.batchSize": property,
  "Context.prefill": {
    args: [three, never],
    cancelled: 1,
    wrong: [
      ["nothing", []],
      ["an array", [[1, 2, 3], never]],
      ["unsigned numbers", [Uint32Array.of(1), never]],
      ["bytes", [three.buffer, never]],
      ["no cancellation", [three]],
      ["a false cancellation", [three, { cancelled: false }]],
    ],
  },
  "Context.observe": {
    args: [[three], { rows: "heads" }, never],
    cancelled: 2,
    wrong: [
      ["nothing", []],
      ["one branch", [three, { rows: "heads" }, never]],
      ["a hole", [[undefined], { rows: "heads" }, never]],
      ["no options", [[three], undefined, never]],
      ["other rows", [[three], { rows: "some" }, never]],
      ["a number for tiles", [[three], { rows: "heads", tiles: 1 }, never]],
      ["weights in a list", [[three], { rows: "sum", weights: [1] }, never]],
      ["no cancellation", [[three], { rows: "heads" }]],
    ],
  },
  "Context.readOpening": {
    args: [three, { rows: "heads" }, never],
    cancelled: 2,
    wrong: [
      ["nothing", []],
      ["a list", [[1, 2, 3], { rows: "heads" }, never]],
      ["no options", [three, undefined, never]],
      ["other rows", [three, { rows: "some" }, never]],
      ["no cancellation", [three, { rows: "heads" }]],
    ],
  },
  "Context.saveOpening": noArguments,
  "Context.loadOpening": {
    args: [{ cells, sums: new Float32Array(3) }, { rows: "heads" }],
    wrong: [
      ["nothing", []],
      ["no cells", [{ sums: new Float32Array(3) }, { rows: "heads" }]],
      ["sums in a list", [{ cells, sums: [0, 0, 0] }, { rows: "heads" }]],
      ["no options", [{ cells, sums: new Float32Array(3) }]],
      ["other rows", [{ cells, sums: new Float32Array(3) }, { rows: "some" }]],
    ],
  },
  "Context.tilesPay": {
    args: [{ cells: 3, all: 2, further: 1 }],
    wrong: [
      ["nothing", []],
      ["half of them", [{ cells: 3 }]],
      ["fewer than none", [{ cells: 3, all: 2, further: -1 }]],
    ],
  },
  "Context.rollback": { args: [0], wrong: number("position", 0, 1e20) },
  "Context.generate": {
    args: [{ last: 1, maxTokens: 1 }, never],
    cancelled: 1,
    wrong: [
      ["nothing", []],
      ["no token", [{ maxTokens: 1 }, never]],
      ["no number of tokens", [{ last: 1, maxTokens: 0 }, never]],
      ["no cancellation", [{ last: 1, maxTokens: 1 }]],
    ],
  },
  "Context.saveCells": noArguments,
  "Context.loadCells": {
    args: [cells],
    wrong: [
      ["nothing", []],
      ["an object that looks like one", [{ cells: 3, bytes: 8 }]],
      ["its prototype", [Object.create(Object.getPrototypeOf(cells))]],
    ],
  },
  "Context.readDocuments": {
    args: [[three], { keep: false, copy: true }, never],
    cancelled: 2,
    wrong: [
      ["nothing", []],
      ["one document", [three, { keep: false, copy: true }, never]],
      ["a hole", [[undefined], { keep: false, copy: true }, never]],
      ["no options", [[three], never]],
      ["half the options", [[three], { keep: true }, never]],
      ["no cancellation", [[three], { keep: false, copy: true }]],
    ],
  },
  "Context.putDocuments": {
    args: [[cells]],
    wrong: [
      ["nothing", []],
      ["one document", [cells]],
      ["a hole", [[undefined]]],
      ["tokens", [[three]]],
    ],
  },
  "Context.dispose": noArguments,

  "Attention.rows": property,
  "Attention.tokens": property,
  "Attention.row": { args: [0], wrong: number("row", 0, attention.rows) },
  "Attention.sumOverHeads": {
    args: [null, 1],
    wrong: [
      ["a row for the baseline", [new Float32Array(3), 1]],
      ["an object that looks like one", [Object.create(attention), 1]],
      ["weights in a list", [null, 1, [1]]],
      ["weights for no head", [null, 1, new Float32Array()]],
      ["an end beyond", [null, 4], RangeError],
      ["an end before", [null, -1], RangeError],
      ["no end", [null], RangeError],
    ],
  },
  "Attention.documentScores": {
    args: [{ baseline: null, spans: Uint32Array.of(0, 1), mask: "none" }],
    wrong: [
      ["nothing", []],
      ["another mask", [{ baseline: null, spans: Uint32Array.of(0, 1), mask: "some" }]],
      ["signed spans", [{ baseline: null, spans: Int32Array.of(0, 1), mask: "none" }]],
      ["half a span", [{ baseline: null, spans: Uint32Array.of(0, 1, 2), mask: "none" }]],
    ],
  },

  "CellState.cells": property,
  "CellState.bytes": property,
  "CellState.slice": {
    args: [0, 1],
    wrong: [...number("begin", 0, 1e20), ["an end before the begin", [2, 1], RangeError], ["no end", [0], RangeError]],
  },
  "CellState.append": {
    args: [Uint8Array.of()],
    wrong: [
      ["nothing", []],
      ["an array", [[1]]],
      ["other numbers", [three]],
    ],
  },

  "Cancellation.cancelled": property,
  "Cancellation.cancel": noArguments,
};
