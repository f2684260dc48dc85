// Every method of the addon while busy, after dispose, aborted, with the wrong types and on the wrong object. TypeScript
// checks arguments before they come here; this is about the process staying alive and saying what was wrong.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { NativeAttention, NativeContext, NativeModel } from "../../src/native/addon-types.ts";
import { addon, createContext, load, never } from "../helpers/addon.ts";
import { modelPath } from "../helpers/models.ts";

const three = Int32Array.of(1, 2, 3);
const options = { path: modelPath("tiny-llama-spm"), gpuLayers: 0, useMmap: true };
const coded = (code: string) => expect.objectContaining({ code, message: expect.stringMatching(/\w/) });

/** Calls with arguments that TypeScript would not let through. */
// biome-ignore lint/suspicious/noExplicitAny: wrong types are the subject
const untyped = (value: unknown): any => value;

let model: NativeModel;
let context: NativeContext;
let attention: NativeAttention;

beforeAll(async () => {
  model = await load("tiny-llama-spm");
  context = await createContext(model, { contextSize: 2048, batchSize: 64 });
  attention = await context.observe(three, { perHead: true }, never);
});
afterAll(async () => {
  await context.dispose();
  await model.dispose();
});

describe("wrong types", () => {
  const wrong: [name: string, call: () => unknown][] = [
    ["loadModel()", () => untyped(addon).loadModel()],
    ["loadModel without a path", () => untyped(addon).loadModel({ ...options, path: undefined }, never)],
    ["loadModel with NaN layers", () => untyped(addon).loadModel({ ...options, gpuLayers: Number.NaN }, never)],
    ["loadModel with text for a flag", () => untyped(addon).loadModel({ ...options, useMmap: "yes" }, never)],
    ["loadModel without a cancellation", () => untyped(addon).loadModel(options)],
    ["loadModel with an AbortSignal", () => untyped(addon).loadModel(options, new AbortController().signal)],
    ["bind()", () => untyped(addon).bind()],
    ["bind({})", () => untyped(addon).bind({})],
    ["slimModel({})", () => untyped(addon).slimModel({})],
    [
      "slimModel with numbers for metadata",
      () => untyped(addon).slimModel({ input: "a", output: "b", layers: 1, totalLayers: 2, metadata: { key: 1 } }),
    ],
    ["Cancellation()", () => untyped(addon).Cancellation()],
    ["tokenize()", () => untyped(model).tokenize()],
    ["tokenize of text", () => untyped(model).tokenize("text")],
    ["tokenize of a hole", () => untyped(model).tokenize([undefined])],
    ["tokenize of a number", () => untyped(model).tokenize([{ text: 1, special: false }])],
    ["tokenize of a piece that does not say", () => untyped(model).tokenize([{ text: "a" }])],
    ["createContext()", () => untyped(model).createContext()],
    ["prefill()", () => untyped(context).prefill()],
    ["prefill of an array", () => untyped(context).prefill([1, 2, 3], never)],
    ["prefill of unsigned numbers", () => untyped(context).prefill(Uint32Array.of(1), never)],
    ["prefill of bytes", () => untyped(context).prefill(three.buffer, never)],
    ["prefill with a false cancellation", () => untyped(context).prefill(three, { cancelled: false })],
    ["observe without options", () => untyped(context).observe(three, undefined, never)],
    ["observe with a number for a flag", () => untyped(context).observe(three, { perHead: 1 }, never)],
    ["sumOverHeads of a row", () => untyped(attention).sumOverHeads(new Float32Array(3), 1)],
    ["sumOverHeads with weights in a list", () => untyped(attention).sumOverHeads(null, 1, [1])],
    ["sumOverHeads with weights for no head", () => untyped(attention).sumOverHeads(null, 1, new Float32Array())],
    ["documentScores()", () => untyped(attention).documentScores()],
    [
      "documentScores with another mask",
      () => untyped(attention).documentScores({ baseline: null, spans: Uint32Array.of(0, 1), mask: "some" }),
    ],
    [
      "documentScores of signed spans",
      () => untyped(attention).documentScores({ baseline: null, spans: Int32Array.of(0, 1), mask: "none" }),
    ],
    [
      "documentScores of half a span",
      () => untyped(attention).documentScores({ baseline: null, spans: Uint32Array.of(0, 1, 2), mask: "none" }),
    ],
  ];
  test.each(wrong)("%s is a TypeError", (_, call) => expect(call).toThrow(TypeError));

  test.each([
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
  ])("createContext with %s %o is a TypeError", (name, value) => {
    expect(() => createContext(model, { [name]: value })).toThrow(TypeError);
  });

  test.each([
    ["rollback", [-1]],
    ["rollback", [Number.NaN]],
    ["rollback", [1e20]],
    ["rollback", ["0"]],
    ["rollback", []],
  ])("%s(%o) is a RangeError", (name, args) => expect(() => untyped(context)[name](...args)).toThrow(RangeError));

  test.each([
    ["row", [-1]],
    ["row", [12]],
    ["row", ["0"]],
    ["sumOverHeads", [null, 4]],
    ["sumOverHeads", [null, -1]],
    ["sumOverHeads", [null]],
  ])("attention.%s(%o) is a RangeError", (name, args) =>
    expect(() => untyped(attention)[name](...args)).toThrow(RangeError),
  );

  test("an exception in a getter is the caller's own", () => {
    const piece = {
      special: false,
      get text(): string {
        throw new Error("mine");
      },
    };
    expect(() => model.tokenize([piece])).toThrow("mine");
  });

  test("typed arrays whose memory is gone are empty", async () => {
    const gone = Int32Array.of(1, 2, 3);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    const before = context.position;
    await context.prefill(gone, never);
    expect(context.position).toBe(before);
    await expect(context.observe(gone, { perHead: true }, never)).rejects.toEqual(coded("INVALID_ARGUMENT"));
  });
});

describe("the wrong object", () => {
  test("constructors called directly make objects that refuse", () => {
    expect(() => new (untyped(attention).constructor)().rows).toThrow(TypeError);
    expect(() => new (untyped(attention).constructor)().documentScores({})).toThrow(TypeError);
    expect(() => new (untyped(model).constructor)().info()).toThrow(coded("DISPOSED"));
    expect(() => new (untyped(context).constructor)().position).toThrow(coded("DISPOSED"));
    expect(() => untyped(attention).constructor()).toThrow(TypeError);
    expect(() => attention.sumOverHeads(new (untyped(attention).constructor)(), 1)).toThrow(TypeError);
  });

  test("methods of one class are not for objects of another", () => {
    expect(() => model.info.call(untyped(context))).toThrow(TypeError);
    expect(() => context.dispose.call(untyped(model))).toThrow(TypeError);
    expect(() => attention.row.call(untyped({}), 0)).toThrow(TypeError);
    expect(() => model.info.call(Object.create(model))).toThrow(TypeError);
  });

  test("a prototype does not make a cancellation or an attention", async () => {
    const disguised = Object.setPrototypeOf(await load("tiny-llama-spm"), addon.Cancellation.prototype);
    expect(() => context.prefill(three, disguised)).toThrow(TypeError);
    expect(() => context.prefill(three, Object.create(addon.Cancellation.prototype))).toThrow(TypeError);
    expect(() => attention.sumOverHeads(Object.create(attention), 1)).toThrow(TypeError);
  });
});

describe("a busy context", () => {
  test("refuses every other call until it is done, and none of them disturbs the one that runs", async () => {
    context.rollback(0);
    const work = context.prefill(new Int32Array(1000).fill(7), never);
    expect(() => context.prefill(three, never)).toThrow(coded("BUSY"));
    expect(() => context.observe(three, { perHead: true }, never)).toThrow(coded("BUSY"));
    expect(() => context.rollback(0)).toThrow(coded("BUSY"));
    expect(() => context.position).toThrow(coded("BUSY"));
    await work;
    expect(context.position).toBe(1000);
    context.rollback(3);
  });

  test("is free again after a failure", async () => {
    await expect(context.prefill(Int32Array.of(-5), never)).rejects.toEqual(coded("INVALID_ARGUMENT"));
    await expect(context.prefill(new Int32Array(3000), never)).rejects.toEqual(coded("CONTEXT_OVERFLOW"));
    expect(context.position).toBe(3);
  });

  test("may be disposed of: the call that runs still ends well", async () => {
    const other = await createContext(model, { contextSize: 2048, batchSize: 64 });
    const work = other.prefill(new Int32Array(500).fill(7), never);
    await other.dispose();
    expect(() => other.position).toThrow(coded("DISPOSED"));
    await expect(work).resolves.toBeUndefined();
  });
});

describe("after dispose", () => {
  test("every method of a context says so, and dispose does nothing more", async () => {
    const other = await createContext(model);
    await Promise.all([other.dispose(), other.dispose()]);
    for (const call of [
      () => other.position,
      () => other.contextSize,
      () => other.batchSize,
      () => other.prefill(three, never),
      () => other.observe(three, { perHead: true }, never),
      () => other.rollback(0),
    ]) {
      expect(call).toThrow(coded("DISPOSED"));
    }
    await other.dispose();
  });

  test("every method of a model says so, while its contexts and what they gave live on", async () => {
    const other = await load("tiny-llama-spm");
    const living = await createContext(other);
    const first = await living.observe(three, { perHead: true }, never);
    await Promise.all([other.dispose(), other.dispose()]);
    expect(() => other.info()).toThrow(coded("DISPOSED"));
    expect(() => other.tokenize([])).toThrow(coded("DISPOSED"));
    expect(() => createContext(other, { heads: new Int32Array() })).toThrow(coded("DISPOSED"));
    living.rollback(0);
    const second = await living.observe(three, { perHead: true }, never);
    await living.dispose();
    expect(second.row(1)).toEqual(first.row(1));
  });
});

describe("arguments that only the engine can judge", () => {
  test("heads, spans, tokens and cache types have codes", async () => {
    await expect(createContext(model, { heads: Int32Array.of(3, 0) })).rejects.toEqual(coded("HEADS_MISMATCH"));
    await expect(createContext(model, { heads: Int32Array.of(0, 0, 0, 0) })).rejects.toEqual(coded("HEADS_MISMATCH"));
    await expect(createContext(model, { cacheTypeK: "int3" })).rejects.toEqual(coded("INVALID_ARGUMENT"));
    const scores = (spans: number[]) =>
      attention.documentScores({ baseline: null, spans: Uint32Array.from(spans), mask: "none" });
    await expect(scores([2, 2])).rejects.toEqual(coded("INVALID_ARGUMENT"));
    await expect(scores([0, 9])).rejects.toEqual(coded("INVALID_ARGUMENT"));
    await expect(scores([4294967295, 4294967295])).rejects.toEqual(coded("INVALID_ARGUMENT"));
    expect(await scores([])).toEqual(new Float32Array());
    const weights = new Float32Array(attention.rows).fill(-1);
    expect(() => attention.sumOverHeads(null, 1, weights)).toThrow(coded("INVALID_ARGUMENT"));
    const options = { baseline: null, spans: Uint32Array.of(0, 1), mask: "none", weights } as const;
    await expect(attention.documentScores(options)).rejects.toEqual(coded("INVALID_ARGUMENT"));
    expect(() => context.rollback(2000)).toThrow(coded("INVALID_ARGUMENT"));
  });
});
