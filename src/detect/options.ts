import { InputError, invalidArgument } from "../errors.ts";
import { DEFAULT_HEAD_COUNT } from "../heads/formats.ts";
import { DEFAULT_NULL_QUERY, type LoadOptions, parseLoadOptions } from "../options.ts";
import { type DetectionExample, type DetectionExampleInput, normalizeExamples } from "./examples.ts";
import { MIN_FIT_EXAMPLES } from "./fit.ts";
import { CORE_TEMPERATURE, OBJECTIVES, type Objective } from "./objectives.ts";
import { MIN_EXAMPLES } from "./stability.ts";

/**
 * How far detection has come. First every prompt is checked for its length, then all are scored. `resumed` of `done` were
 * read in an earlier run.
 */
export type ExampleProgress = {
  phase: "check" | "score";
  done: number;
  total: number;
  id: string;
  resumed?: number;
};

export type DetectOptions = Omit<LoadOptions, "heads" | "calibration" | "mask" | "order"> & {
  /** At least one; as `parseExamples` gives them, or objects with the fields that it reads. */
  examples: readonly DetectionExampleInput[];
  /**
   * What heads are rated by. Defaults to `"mass"`: the calibrated, masked attention on the gold documents. `"ndcg"`: nDCG@10
   * of the ranking that the head alone gives. `"contrastive"`: CoRe's, the share of the gold documents in a softmax over
   * uncalibrated, unmasked attention.
   */
  objective?: Objective | undefined;
  /** Of `"contrastive"`, above 0. Defaults to `0.1`. */
  temperature?: number | undefined;
  /** For `"mass"`, take attention neither calibrated nor masked: equations 2 to 4 of the paper. Defaults to `false`. */
  rawMass?: boolean | undefined;
  /**
   * How many heads to choose, at least 1; all if the model has fewer. `"auto"` chooses among 4, 8, 16, 32, 64 and all by how
   * they rank examples that did not choose them. Defaults to `16`.
   */
  top?: number | "auto" | undefined;
  /**
   * Fit non-negative weights for the chosen heads, and keep them if they rank held-out examples better than the plain sum by
   * more than a standard error. Defaults to `false`.
   */
  fitWeights?: boolean | undefined;
  /**
   * Stop as soon as halves of the examples read so far agree on this share of the top heads, above 0 and at most 1. Looked
   * at from 8 examples on, every fourth. Defaults to reading all.
   */
  untilStable?: number | undefined;
  /** Leave out examples that are longer than the context instead of failing. Defaults to `false`. */
  skipLong?: boolean | undefined;
  /** Decides how examples are split to measure stability and quality, an integer from 0 to 2³²−1. Defaults to `0`. */
  seed?: number | undefined;
  /** File that each example's scores are appended to, for `resume`. It stays when detection is done. Defaults to none. */
  checkpoint?: string | undefined;
  /** Take up what an earlier run left in `checkpoint`; begin there if it does not exist. Defaults to `false`. */
  resume?: boolean | undefined;
  /** Use the first this many examples, at least 1, after shuffling. Defaults to all. */
  limit?: number | undefined;
  /** Shuffle the examples by this seed, an integer from 0 to 2³²−1; documents keep their order. Defaults to no shuffling. */
  shuffle?: number | undefined;
  /** What the head set calls the examples. Defaults to `"examples"`. */
  sourceName?: string | undefined;
  /** Called when an example has been checked, and again when it has been scored. */
  onExample?: ((progress: ExampleProgress) => void) | undefined;
};

/** Options with their defaults. `nullQuery` is null where nothing is calibrated; `name` is the head set's `objective`. */
export type ParsedDetectOptions = {
  load: LoadOptions;
  examples: DetectionExample[];
  objective: Objective;
  name: string;
  nullQuery: string | null;
  mask: "per-head" | "none";
  temperature: number;
  top: number | "auto";
  fitWeights: boolean;
  untilStable: number | undefined;
  skipLong: boolean;
  seed: number;
  checkpoint: string | undefined;
  resume: boolean;
  limit: number;
  shuffle: number | undefined;
  sourceName: string;
  onExample: ((progress: ExampleProgress) => void) | undefined;
};

/** @throws InputError `INVALID_ARGUMENT` for an option that is unknown, wrong or without a use here; as `parseExamples`. */
export function parseDetectOptions(options: DetectOptions): ParsedDetectOptions {
  if (typeof options !== "object" || options === null) throw invalidArgument("options", "an object", options);
  const {
    examples,
    objective = "mass",
    temperature,
    rawMass,
    top,
    fitWeights,
    untilStable,
    skipLong,
    seed,
    checkpoint,
    resume,
    limit,
    shuffle,
    sourceName,
    onExample,
    ...rest
  } = options;
  for (const name of ["heads", "calibration", "mask", "order"] as const) {
    if ((rest as LoadOptions)[name] !== undefined) {
      throw new InputError(
        "INVALID_ARGUMENT",
        `Option ${name} has no use in detection: every head is scored, as its objective says`,
      );
    }
  }
  const load = parseLoadOptions(rest);
  expect(OBJECTIVES.includes(objective), "objective", `one of ${OBJECTIVES.join(", ")}`, objective);
  const isContrastive = objective === "contrastive";
  if (temperature !== undefined) {
    expect(isContrastive, "temperature", "the objective contrastive", objective);
    expect(Number.isFinite(temperature) && temperature > 0, "temperature", "a number above 0", temperature);
  }
  if (rawMass !== undefined) {
    expect(typeof rawMass === "boolean", "rawMass", "true or false", rawMass);
    expect(!rawMass || objective === "mass", "rawMass", "the objective mass", objective);
  }
  const isRaw = isContrastive || rawMass === true;
  if (load.nullQuery !== undefined && isRaw) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `Option nullQuery has no use with ${isContrastive ? "the objective contrastive" : "rawMass"}, which does not calibrate`,
    );
  }
  expect(limit === undefined || isInteger(limit, 1, 2 ** 31), "limit", "an integer of at least 1", limit);
  const isTop = top === undefined || top === "auto" || isInteger(top, 1, 2 ** 31);
  expect(isTop, "top", 'an integer of at least 1 or "auto"', top);
  for (const [name, value] of Object.entries({ shuffle, seed })) {
    const isSeed = value === undefined || isInteger(value, 0, 2 ** 32 - 1);
    expect(isSeed, name, "an integer from 0 to 4294967295", value);
  }
  for (const [name, value] of Object.entries({ fitWeights, skipLong, resume })) {
    expect(value === undefined || typeof value === "boolean", name, "true or false", value);
  }
  const isShare = untilStable === undefined || (untilStable > 0 && untilStable <= 1);
  expect(isShare, "untilStable", "a number above 0 and at most 1", untilStable);
  const isPath = checkpoint === undefined || (typeof checkpoint === "string" && checkpoint !== "");
  expect(isPath, "checkpoint", "the path of a file", checkpoint);
  expect(!resume || checkpoint !== undefined, "resume", "a checkpoint to resume", resume);
  const isNamed = sourceName === undefined || (typeof sourceName === "string" && sourceName.trim() !== "");
  expect(isNamed, "sourceName", "a text that is not blank", sourceName);
  expect(onExample === undefined || typeof onExample === "function", "onExample", "a function", onExample);
  const normalized = normalizeExamples(examples);
  const count = Math.min(normalized.length, limit ?? Number.POSITIVE_INFINITY);
  if (top === "auto") assertEnough('top "auto"', MIN_EXAMPLES, count);
  if (fitWeights) assertEnough("fitWeights", MIN_FIT_EXAMPLES, count);
  return {
    load,
    examples: normalized,
    objective,
    name: rawMass ? "raw-mass" : objective,
    nullQuery: isRaw ? null : (load.nullQuery ?? DEFAULT_NULL_QUERY),
    mask: isRaw ? "none" : "per-head",
    temperature: temperature ?? CORE_TEMPERATURE,
    top: top ?? DEFAULT_HEAD_COUNT,
    fitWeights: fitWeights ?? false,
    untilStable,
    skipLong: skipLong ?? false,
    seed: seed ?? 0,
    checkpoint,
    resume: resume ?? false,
    limit: limit ?? Number.POSITIVE_INFINITY,
    shuffle,
    sourceName: sourceName ?? "examples",
    onExample,
  };
}

/** @throws InputError `INVALID_INPUT` for fewer examples than something needs. */
export function assertEnough(what: string, needed: number, examples: number): void {
  if (examples >= needed) return;
  throw new InputError("INVALID_INPUT", `Expected at least ${needed} examples for ${what} but received ${examples}`);
}

function isInteger(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

function expect(holds: boolean, name: string, expected: string, received: unknown): void {
  if (!holds) throw invalidArgument(name, expected, received);
}
