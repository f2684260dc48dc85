// Every function, class and member of the addon with the wrong types, on the wrong object, while busy, after dispose and
// aborted. TypeScript checks arguments before they come here; this is about the process staying alive and saying what was
// wrong. The addon itself says what there is to try: a member without a row fails.
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { addon, createContext, load, never, observeHeads } from "../helpers/addon.ts";
import {
  attention,
  context,
  model,
  type Owner,
  objects,
  property,
  rows,
  sampling,
  surface,
  three,
  writer,
} from "../helpers/addon-surface.ts";
import { modelPath } from "../helpers/models.ts";

const coded = (code: string) => expect.objectContaining({ code, message: expect.stringMatching(/\w/) });

/** Calls with arguments that TypeScript would not let through. */
// biome-ignore lint/suspicious/noExplicitAny: wrong types are the subject
const untyped = (value: unknown): any => value;

afterAll(async () => {
  await context.dispose();
  await writer.dispose();
  await model.dispose();
});

const partsOf = (name: string) => name.split(".") as [Owner, string];
const membersOf = (owner: Owner) => surface.filter((name) => name.startsWith(`${owner}.`));

/** Reads a property of `target`, or calls a method on it. */
function use(name: string, target: unknown, args = rows[name]?.args): unknown {
  const [owner, member] = partsOf(name);
  const holder = owner === "addon" ? addon : Object.getPrototypeOf(objects[owner]);
  const { get, value } = Object.getOwnPropertyDescriptor(holder, member)!;
  return get ? get.call(target) : value.apply(target, args ?? []);
}

test("every member of the addon has a row, and no other has one", () => {
  expect(surface.length).toBeGreaterThan(30);
  expect(Object.keys(rows).toSorted()).toEqual(surface.toSorted());
});

describe("wrong types", () => {
  const wrong = Object.entries(rows).flatMap(([name, row]) =>
    (row.wrong ?? []).map(([what, args, error = TypeError]) => [name, what, args, error] as const),
  );
  test.each(wrong)("%s with %s is refused, and whoever was asked works on", (name, _, args, error) => {
    expect(() => use(name, objects[partsOf(name)[0]], args)).toThrow(error);
    expect(context.position).toBe(3);
  });

  test("every method that takes an argument is tried with wrong ones", () => {
    const harmless = ["addon.canOpenLibrary", "addon.loadBackends"];
    const untried = Object.entries(rows).filter(([, row]) => row.args?.length && !row.wrong?.length);
    expect(untried.map(([name]) => name)).toEqual(harmless);
  });

  test.each<[string, number[]]>([
    ["cells", [-1]],
    ["cells", [2 ** 31]],
    ["bytes", [1, -1]],
    ["bytes", [1, Number.NaN]],
    // A sanitizer ends the process at an allocation of that size.
    ...(process.env.ASAN_OPTIONS ? [] : [["more bytes than there are", [1, 2 ** 52]] as [string, number[]]]),
  ])("a CellState of %s %o is a RangeError", (_, args) => {
    expect(() => new (untyped(addon.CellState))(...args)).toThrow(RangeError);
  });

  test("an exception in a getter is the caller's own", () => {
    const piece = {
      special: false,
      get text(): string {
        throw new Error("mine");
      },
    };
    expect(() => model.tokenize([piece])).toThrow("mine");
    const options = {
      get rows(): "heads" {
        throw new Error("mine");
      },
    };
    expect(() => context.observe([three], options, never)).toThrow("mine");
    expect(context.position).toBe(3);
  });

  test("typed arrays whose memory is gone are empty", async () => {
    const gone = Int32Array.of(1, 2, 3);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    const before = context.position;
    await context.prefill(gone, never);
    expect(context.position).toBe(before);
    await expect(observeHeads(context, gone)).rejects.toEqual(coded("INVALID_ARGUMENT"));
  });
});

describe("the wrong object", () => {
  const ofClasses = surface.filter((name) => !name.startsWith("addon."));
  test.each(ofClasses)("%s is not for others", (name) => {
    const [owner] = partsOf(name);
    const others = Object.entries(objects).filter(([other]) => other !== owner);
    for (const [, other] of [...others, ["", {}] as const, ["", Object.create(objects[owner])] as const]) {
      // A getter fails on an object of no class at all before it can say more than that.
      expect(() => use(name, other)).toThrow(rows[name] === property ? Error : TypeError);
    }
  });

  test("constructors called directly make objects that refuse", () => {
    for (const name of [...membersOf("Model"), ...membersOf("Context"), ...membersOf("Writer")].filter(
      (it) => !it.endsWith(".dispose"),
    )) {
      const made = new (untyped(objects[partsOf(name)[0]]).constructor)();
      expect(() => use(name, made)).toThrow(coded("DISPOSED"));
    }
    for (const name of membersOf("Attention")) {
      expect(() => use(name, new (untyped(attention).constructor)())).toThrow(TypeError);
    }
    expect(() => untyped(attention).constructor()).toThrow(TypeError);
    expect(() => attention.sumOverHeads(new (untyped(attention).constructor)(), 1)).toThrow(TypeError);
  });

  test("a prototype does not make a cancellation", async () => {
    const disguised = Object.setPrototypeOf(await load("tiny-llama-spm"), addon.Cancellation.prototype);
    expect(() => context.prefill(three, disguised)).toThrow(TypeError);
    expect(() => context.prefill(three, Object.create(addon.Cancellation.prototype))).toThrow(TypeError);
  });
});

describe("a busy context", () => {
  test("refuses every other call until it is done, and none of them disturbs the one that runs", async () => {
    context.rollback(0);
    const work = context.prefill(new Int32Array(1000).fill(7), never);
    for (const name of membersOf("Context").filter((it) => it !== "Context.dispose")) {
      expect(() => use(name, context)).toThrow(coded("BUSY"));
    }
    await work;
    expect(context.position).toBe(1000);
    context.rollback(3);
  });

  test("is free again after a failure", async () => {
    await expect(context.prefill(Int32Array.of(-5), never)).rejects.toEqual(coded("INVALID_ARGUMENT"));
    await expect(context.prefill(new Int32Array(3000), never)).rejects.toEqual(coded("CONTEXT_OVERFLOW"));
    await expect(context.generate({ last: 2 ** 30, maxTokens: 1 }, never)).rejects.toEqual(coded("INVALID_ARGUMENT"));
    await expect(context.putDocuments([new addon.CellState(1)])).rejects.toEqual(coded("CORPUS_INVALID"));
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

describe("a busy writer", () => {
  test("refuses every other call until it is done", async () => {
    const work = writer.read(new Int32Array(200).fill(7), sampling, never);
    for (const name of membersOf("Writer").filter((it) => it !== "Writer.dispose")) {
      expect(() => use(name, writer)).toThrow(coded("BUSY"));
    }
    await work;
    expect(writer.position).toBe(200);
  });

  test("is free again after a failure, which ends the text", async () => {
    await expect(writer.read(Int32Array.of(), sampling, never)).rejects.toEqual(coded("INVALID_ARGUMENT"));
    await expect(writer.read(Int32Array.of(-5), sampling, never)).rejects.toEqual(coded("INVALID_ARGUMENT"));
    await expect(writer.read(new Int32Array(300), sampling, never)).rejects.toEqual(coded("CONTEXT_OVERFLOW"));
    await expect(writer.next(never)).rejects.toEqual(coded("INVALID_ARGUMENT"));
    expect(writer.position).toBe(200);
    await writer.read(three, sampling, never);
    expect(await writer.next(never)).toEqual({
      token: expect.any(Number),
      text: expect.any(Uint8Array),
      end: expect.any(Boolean),
    });
  });

  test("may be disposed of: the call that runs still ends well, and nothing else is heard", async () => {
    const other = await model.createWriter(rows["Model.createWriter"]!.args![0] as never);
    const work = other.read(new Int32Array(200).fill(7), sampling, never);
    await other.dispose();
    for (const name of membersOf("Writer").filter((it) => it !== "Writer.dispose")) {
      expect(() => use(name, other)).toThrow(coded("DISPOSED"));
    }
    await expect(work).resolves.toBe(0);
    await other.dispose();
  });
});

describe("aborted before it began", () => {
  const cancellable = Object.entries(rows).filter(([, { cancelled }]) => cancelled !== undefined);
  test.each(cancellable)("%s says so", async (name, { args, cancelled }) => {
    const cancellation = new addon.Cancellation();
    cancellation.cancel();
    const given = args!.with(cancelled!, cancellation);
    await expect(use(name, objects[partsOf(name)[0]], given)).rejects.toEqual(coded("ABORTED"));
    expect(context.position).toBe(3);
  });
});

describe("after dispose", () => {
  test("every member of a context says so, and dispose does nothing more", async () => {
    const other = await createContext(model);
    await Promise.all([other.dispose(), other.dispose()]);
    for (const name of membersOf("Context").filter((it) => it !== "Context.dispose")) {
      expect(() => use(name, other)).toThrow(coded("DISPOSED"));
    }
    await other.dispose();
  });

  test("every member of a model says so, while its contexts and what they gave live on", async () => {
    const other = await load("tiny-llama-spm");
    const living = await createContext(other);
    const first = await observeHeads(living, three);
    await Promise.all([other.dispose(), other.dispose()]);
    for (const name of membersOf("Model").filter((it) => it !== "Model.dispose")) {
      expect(() => use(name, other)).toThrow(coded("DISPOSED"));
    }
    living.rollback(0);
    const second = await observeHeads(living, three);
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
    await expect(attention.sumOverHeads(null, 1, weights)).rejects.toEqual(coded("INVALID_ARGUMENT"));
    const options = { baseline: null, spans: Uint32Array.of(0, 1), mask: "none", weights } as const;
    await expect(attention.documentScores(options)).rejects.toEqual(coded("INVALID_ARGUMENT"));
    expect(() => context.rollback(2000)).toThrow(coded("INVALID_ARGUMENT"));
  });

  test("metadata that llama.cpp would cut is refused before anything is written", async () => {
    const output = path.join(tmpdir(), `qrhead-slim-${process.pid}.gguf`);
    const slim = (metadata: Record<string, string>) =>
      addon.slimModel({ input: modelPath("tiny-llama-spm"), output, layers: 1, totalLayers: 3, metadata }, never);
    await expect(slim({ "a.key": "é".repeat(64) })).rejects.toEqual(coded("INVALID_ARGUMENT"));
    await expect(slim({ ["k".repeat(128)]: "a" })).rejects.toEqual(coded("INVALID_ARGUMENT"));
    expect(existsSync(output)).toBe(false);
  });
});
