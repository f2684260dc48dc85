import { InputError, invalidArgument } from "../errors.ts";
import { DEFAULT_HEAD_COUNT } from "../heads/formats.ts";
import { DEFAULT_NULL_QUERY, type LoadOptions, parseLoadOptions } from "../options.ts";
import { type DetectionExample, type DetectionExampleInput, normalizeExamples } from "./examples.ts";
import { CORE_TEMPERATURE, OBJECTIVES, type Objective } from "./objectives.ts";

/** How far detection has come. First every prompt is checked for its length, then all are scored. */
export type ExampleProgress = { phase: "check" | "score"; done: number; total: number; id: string };

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
  /** How many heads to choose, at least 1; all if the model has fewer. Defaults to `16`. */
  top?: number | undefined;
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
  top: number;
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
  for (const [name, value] of Object.entries({ top, limit })) {
    expect(value === undefined || isInteger(value, 1, 2 ** 31), name, "an integer of at least 1", value);
  }
  expect(
    shuffle === undefined || isInteger(shuffle, 0, 2 ** 32 - 1),
    "shuffle",
    "an integer from 0 to 4294967295",
    shuffle,
  );
  const isNamed = sourceName === undefined || (typeof sourceName === "string" && sourceName.trim() !== "");
  expect(isNamed, "sourceName", "a text that is not blank", sourceName);
  expect(onExample === undefined || typeof onExample === "function", "onExample", "a function", onExample);
  return {
    load,
    examples: normalizeExamples(examples),
    objective,
    name: rawMass ? "raw-mass" : objective,
    nullQuery: isRaw ? null : (load.nullQuery ?? DEFAULT_NULL_QUERY),
    mask: isRaw ? "none" : "per-head",
    temperature: temperature ?? CORE_TEMPERATURE,
    top: top ?? DEFAULT_HEAD_COUNT,
    limit: limit ?? Number.POSITIVE_INFINITY,
    shuffle,
    sourceName: sourceName ?? "examples",
    onExample,
  };
}

function isInteger(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

function expect(holds: boolean, name: string, expected: string, received: unknown): void {
  if (!holds) throw invalidArgument(name, expected, received);
}
