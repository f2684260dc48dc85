import { totalmem } from "node:os";
import { z } from "zod";
import { InputError, invalidArgument } from "./errors.ts";
import type { HeadSet } from "./heads/head-set.ts";
import type { Gpu } from "./native/variants.ts";
import { PROMPT_NAMES, type PromptName } from "./prompt/profiles.ts";
import { EXPECTED_IN_WINDOWS, EXPECTED_WINDOWS, type WindowOptions, windowsSchema } from "./ranking/windows/options.ts";
import type { Head } from "./types.ts";
import { isSignal, ownSignal } from "./util/abort-signal.ts";

/** K and V cache types that llama.cpp computes attention with. */
export const CACHE_TYPES = ["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"] as const;
export type CacheType = (typeof CACHE_TYPES)[number];

export const GPU_NAMES = ["auto", "false", "cuda", "vulkan", "metal"] as const;

/** The null query of the published code. */
export const DEFAULT_NULL_QUERY = "N/A";

/**
 * How far a long operation has come, phase by phase: within a phase of one call `total` stays and `done` never goes back.
 * `load` counts in hundredths, `query` of `rankMany` in queries, parts of one included, and the others in tokens; `prefill` of windows in the
 * tokens of all that are planned.
 */
export type Progress = { phase: "download" | "load" | "prefill" | "null" | "query"; done: number; total: number };

/** How documents are scored; each may also be given per call. */
export type ScoringOptions = {
  /** Query whose attention is subtracted. Defaults to the head set's, else to `"N/A"`. */
  nullQuery?: string | undefined;
  /** Subtract the null query's attention. Defaults to `true`. */
  calibration?: boolean | undefined;
  /** Drop of each document the tokens at or below mean − 2·std. Defaults to `true`. */
  mask?: boolean | undefined;
  /** Use the weights that a head set gives its heads, where it has some. Defaults to `true`. */
  weights?: boolean | undefined;
  /** Order of the documents in the prompt; `"reverse"` puts the first one next to the query. Defaults to `"given"`. */
  order?: "given" | "reverse" | undefined;
  /**
   * `"listwise"`, the published setting: documents stand in one prompt, numbered, and each sees those before it.
   * `"independent"`: each is read by itself and the query attends to all of them, so that their order does not matter and
   * one that was read before is not read again. Defaults to `"listwise"`.
   */
  layout?: "listwise" | "independent" | undefined;
  /**
   * Cut each document's text after this many tokens, at least 1, and its title after as many, but not below 32; its
   * result then has `truncated`. Defaults to no limit.
   */
  maxDocumentTokens?: number | undefined;
  /**
   * What to do when the documents do not fit one prompt: `"auto"` ranks them in windows, `"never"` is an error, and an
   * object says how, and to use windows also where one prompt would do if the window's size is given. Defaults to `"auto"`.
   */
  windows?: "auto" | "never" | WindowOptions | undefined;
};

export type LoadOptions = ScoringOptions & {
  /** Path of a GGUF, or an `hf:` URI that node-llama-cpp resolves and downloads. Defaults to the built-in model. */
  model?: string | undefined;
  /**
   * Heads to rank with: `"auto"` for the set published for this model, `"all"`, `"random:N:SEED"`, `"13-18,13-21"`, a
   * published set's name, the path of a head-set file, `[layer, head]` pairs, or a head set. Defaults to `"auto"`.
   */
  heads?: string | readonly Head[] | HeadSet | undefined;
  /** Prompt format. Defaults to `"auto"`: the published one where the model is of its family, else the model's template. */
  prompt?: PromptName | undefined;
  /** Tokens that a prompt may have, 16 to 2²⁷. Defaults to what a call needs, up to what the model was trained for. */
  contextSize?: number | undefined;
  /** Tokens of one forward pass, 1 to 16384: more is faster and takes more memory. Defaults to `512`. */
  batchSize?: number | undefined;
  /**
   * CPU threads, 1 to 512. Defaults to the processors that this process may use (affinity, a container's quota) and that
   * other processes leave free when the model is loaded, at most 8. More threads than free processors are several times
   * slower.
   */
  threads?: number | undefined;
  /** Build of llama.cpp. Defaults to `"auto"`: the best that this machine has a driver for. `false` is the CPU. */
  gpu?: Gpu | undefined;
  /**
   * Layers to put on the GPU, at least 0. Layers above the deepest head are never computed and take no GPU memory unless
   * the model is loaded with `generates`; the first ones go there. Defaults to all that are computed.
   */
  gpuLayers?: number | undefined;
  /** The model will write text as well, so that all its layers belong on the GPU. Of no matter without one. Defaults to `false`. */
  generates?: boolean | undefined;
  /** Type of the K cache. Defaults to `"f16"`. */
  cacheTypeK?: CacheType | undefined;
  /** Type of the V cache. Defaults to `"f16"`. */
  cacheTypeV?: CacheType | undefined;
  /** Compute attention beside flash attention; `false` reads it from the slower path. Defaults to `true`. */
  flashAttention?: boolean | undefined;
  /** End every forward pass after the deepest wanted layer. Defaults to `true`. */
  earlyStop?: boolean | undefined;
  /**
   * Bytes that corpora and independent documents which were read may hold together, at least 0: those used least recently
   * are let go, and what is in use stays. Several retrievers together hold no more than the largest of their bounds.
   * Defaults to a quarter of the machine's memory.
   */
  corpusMemory?: number | undefined;
  /** Map the file into memory instead of reading it. Defaults to `true`. */
  mmap?: boolean | undefined;
  /**
   * `"process"` loads the file and runs one forward pass in a process of its own first, with `checkTensors`, so that what
   * ends llama.cpp in a damaged file is `MODEL_LOAD_FAILED` here. Takes about as long as loading and one short call.
   * Defaults to `"none"`.
   */
  check?: "none" | "process" | undefined;
  /** Milliseconds after which the process of `check` is ended, at least 1. Defaults to two minutes, and one more for every gigabyte of the file. */
  checkTimeout?: number | undefined;
  /**
   * Read every tensor while loading: NaN, infinite values, and zeros where no trained model has them, are then
   * `MODEL_LOAD_FAILED`. Norms and biases are looked at in any case. Defaults to `false`.
   */
  checkTensors?: boolean | undefined;
  /** Folder of another llama.cpp build of the same release. Defaults to `QRHEAD_LLAMA_DIR`, then to node-llama-cpp's. */
  libraryDirectory?: string | undefined;
  /** Stops the loading. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
};

export type RankOptions = ScoringOptions & {
  /** Return the best this many, at least 1. Defaults to all. */
  topK?: number | undefined;
  /** Add to every result what each head contributes to its score. Defaults to `false`. */
  headScores?: boolean | undefined;
  /** Add to every result its tokens with their scores; windows are then merged by `"calibrated"` by default. Defaults to `false`. */
  tokenScores?: boolean | undefined;
  /** Stops the call within one forward pass; it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
};

export const integer = (min: number, max: number) => z.int().min(min).max(max).optional();
const flag = z.boolean().optional();
export const callback = z.custom<(progress: Progress) => void>((value) => typeof value === "function").optional();
/** Also one of a polyfill or of another realm, which becomes one of this realm. */
export const abortSignal = z.custom<AbortSignal>(isSignal).transform(ownSignal).optional();

const scoring = {
  nullQuery: z.string().regex(/\S/).optional(),
  calibration: flag,
  mask: flag,
  weights: flag,
  order: z.enum(["given", "reverse"]).optional(),
  layout: z.enum(["listwise", "independent"]).optional(),
  maxDocumentTokens: integer(1, 2 ** 31),
  windows: windowsSchema,
};

const loadSchema = z.strictObject({
  ...scoring,
  model: z.string().min(1).optional(),
  heads: z.union([z.string(), z.array(z.any()), z.looseObject({})]).optional(),
  prompt: z.enum(PROMPT_NAMES).optional(),
  contextSize: integer(16, 2 ** 27),
  batchSize: integer(1, 16384),
  threads: integer(1, 512),
  gpu: z
    .union([z.literal("auto"), z.literal(false), z.literal("cuda"), z.literal("vulkan"), z.literal("metal")])
    .optional(),
  gpuLayers: integer(0, 2 ** 20),
  generates: flag,
  cacheTypeK: z.enum(CACHE_TYPES).optional(),
  cacheTypeV: z.enum(CACHE_TYPES).optional(),
  flashAttention: flag,
  earlyStop: flag,
  corpusMemory: integer(0, Number.MAX_SAFE_INTEGER),
  mmap: flag,
  check: z.enum(["none", "process"]).optional(),
  checkTimeout: integer(1, 2 ** 31 - 1),
  checkTensors: flag,
  libraryDirectory: z.string().min(1).optional(),
  signal: abortSignal,
  onProgress: callback,
});

const rankSchema = z.strictObject({
  ...scoring,
  topK: integer(1, 2 ** 31),
  headScores: flag,
  tokenScores: flag,
  signal: abortSignal,
  onProgress: callback,
});

/** What a user may write for an option, in words; the schemas above say the same to the machine. */
const EXPECTED: Record<string, string> = {
  nullQuery: "a text that is not blank",
  calibration: "true or false",
  mask: "true or false",
  weights: "true or false",
  order: '"given" or "reverse"',
  layout: '"listwise" or "independent"',
  corpusMemory: "a number of bytes, an integer of at least 0",
  maxDocumentTokens: "an integer of at least 1",
  windows: EXPECTED_WINDOWS,
  model: "a path or an hf: URI",
  heads: "a string, a list of [layer, head] pairs or a head set",
  prompt: PROMPT_NAMES.map((name) => JSON.stringify(name)).join(", "),
  contextSize: `an integer from 16 to ${2 ** 27}`,
  batchSize: "an integer from 1 to 16384",
  threads: "an integer from 1 to 512",
  gpu: '"auto", false, "cuda", "vulkan" or "metal"',
  gpuLayers: "an integer of at least 0",
  cacheTypeK: CACHE_TYPES.join(", "),
  cacheTypeV: CACHE_TYPES.join(", "),
  topK: "an integer of at least 1",
  check: '"none" or "process"',
  checkTimeout: "an integer of at least 1, in milliseconds",
  libraryDirectory: "a folder",
  signal: "an AbortSignal",
  onProgress: "a function",
};

/** @throws InputError `INVALID_ARGUMENT` for an unknown option or a wrong value. */
export function parseLoadOptions(options: unknown): LoadOptions {
  const parsed = parseOptions(loadSchema, options) as LoadOptions;
  if (parsed.flashAttention === false && /^q/.test(parsed.cacheTypeV ?? "f16")) {
    throw invalidArgument("cacheTypeV", "f32, f16 or bf16 where flash attention is off", parsed.cacheTypeV);
  }
  return parsed;
}

/** @throws InputError `INVALID_ARGUMENT` for an unknown option or a wrong value. */
export function parseRankOptions(options: unknown): RankOptions {
  return parseOptions(rankSchema, options) as RankOptions;
}

/**
 * What a schema takes of options, without those that are undefined.
 *
 * @param expected What a user may write for each option, in words.
 * @throws InputError `INVALID_ARGUMENT` for an unknown option or a wrong value.
 */
export function parseOptions(schema: z.ZodObject, options: unknown, expected = EXPECTED): unknown {
  const result = schema.safeParse(options ?? {});
  // An option that is there but undefined is left out, or it would hide the one given when loading.
  if (result.success) return Object.fromEntries(Object.entries(result.data).filter(([, value]) => value !== undefined));
  const issue = deepest(result.error.issues[0]!);
  if (issue.code === "unrecognized_keys") {
    const path = issue.path.map(String);
    const option = [...path, issue.keys[0]].join(".");
    const known = path.length > 0 ? Object.keys(EXPECTED_IN_WINDOWS) : Object.keys(schema.shape);
    const names = `one of ${known.join(", ")}`;
    throw new InputError("INVALID_ARGUMENT", `Unknown option ${option}: expected ${names}`, {
      option,
      expected: names,
    });
  }
  const path = issue.path.map(String);
  const name = path.join(".") || "options";
  const value = path.reduce<unknown>((inside, key) => (inside as Record<string, unknown> | undefined)?.[key], options);
  const words = path[0] === "windows" && path[1] ? EXPECTED_IN_WINDOWS[path[1]] : expected[path[0] ?? ""];
  throw invalidArgument(name, words ?? (path.length === 0 ? "an object" : "true or false"), value);
}

type Issue = z.core.$ZodIssue;

/** Of a union, the issue inside the alternative that came furthest: it names the field, and not the whole object. */
function deepest(issue: Issue): Issue {
  if (issue.code !== "invalid_union") return issue;
  const inside = issue.errors.flat().find(({ path, code }) => path.length > 0 || code === "unrecognized_keys");
  return inside ? { ...inside, path: [...issue.path, ...inside.path] } : issue;
}

export function defaultCorpusMemory(): number {
  return Math.floor(totalmem() / 4);
}
