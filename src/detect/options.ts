import { InputError, invalidArgument } from "../errors.ts";
import { DETECTING } from "../options/detecting.ts";
import { parseOptions, splitOptions } from "../options/parse.ts";
import type { ExampleProgress } from "../options/progress.ts";
import type { DetectionOptions } from "../options/types/detecting.ts";
import { DEFAULT_NULL_QUERY, type LoadOptions, parseLoadOptions } from "../options.ts";
import { counted } from "../util/counted.ts";
import { type DetectionExample, normalizeExamples } from "./examples.ts";
import { MIN_FIT_EXAMPLES } from "./fit.ts";
import { CORE_TEMPERATURE, type Objective } from "./objectives.ts";
import { MIN_EXAMPLES } from "./stability.ts";

export type { ExampleProgress };

export type DetectOptions = Omit<LoadOptions, "heads" | "calibration" | "mask" | "order"> & DetectionOptions;

/** Options with their defaults. `nullQuery` is null where nothing is calibrated; `name` is the head set's `objective`. */
export type ParsedDetectOptions = {
  load: LoadOptions;
  examples: DetectionExample[];
  objective: Objective;
  name: string;
  nullQuery: string | null;
  mask: "per-head" | "none";
  temperature: number;
  /** Undefined: `"auto"` where there are enough examples for it, else 16. */
  top: number | "auto" | undefined;
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
  const [own, rest] = splitOptions(DETECTING, options);
  for (const name of ["heads", "calibration", "mask", "order"]) {
    if (rest[name] !== undefined) {
      throw new InputError(
        "INVALID_ARGUMENT",
        `Option ${name} does not apply to detection: every head is scored by the objective`,
      );
    }
  }
  const load = parseLoadOptions(rest);
  const parsed = parseOptions(DETECTING, own) as DetectionOptions;
  const { objective = "mass", temperature, rawMass, top, fitWeights, untilStable, checkpoint, limit, shuffle } = parsed;
  const isContrastive = objective === "contrastive";
  if (temperature !== undefined) expect(isContrastive, "temperature", "the objective contrastive", objective);
  expect(!rawMass || objective === "mass", "rawMass", "the objective mass", objective);
  const isRaw = isContrastive || rawMass === true;
  if (load.nullQuery !== undefined && isRaw) {
    throw new InputError(
      "INVALID_ARGUMENT",
      `Option nullQuery does not apply to ${isContrastive ? "the objective contrastive" : "rawMass"}, which does not calibrate`,
    );
  }
  expect(!parsed.resume || checkpoint !== undefined, "resume", "a checkpoint to resume", parsed.resume);
  const normalized = normalizeExamples(parsed.examples);
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
    top,
    fitWeights: fitWeights ?? false,
    untilStable,
    skipLong: parsed.skipLong ?? false,
    seed: parsed.seed ?? 0,
    checkpoint,
    resume: parsed.resume ?? false,
    limit: limit ?? Number.POSITIVE_INFINITY,
    shuffle,
    sourceName: parsed.sourceName ?? "examples",
    onExample: parsed.onExample,
  };
}

/** @throws InputError `INVALID_INPUT` for fewer examples than something needs. */
export function assertEnough(what: string, needed: number, examples: number): void {
  if (examples >= needed) return;
  throw new InputError(
    "INVALID_INPUT",
    `Expected at least ${counted(needed, "example")} for ${what} but received ${examples}`,
  );
}

function expect(holds: boolean, name: string, expected: string, received: unknown): void {
  if (!holds) throw invalidArgument(name, expected, received);
}
