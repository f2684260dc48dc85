import { InputError, invalidArgument } from "../errors.ts";
import { EVALUATING } from "../options/evaluating.ts";
import { optionsOf, parseOptions } from "../options/parse.ts";
import type { EvaluationOptions } from "../options/types/evaluating.ts";
import { parseLoadOptions } from "../options.ts";
import { fieldsOf, isList } from "../util/kinds.ts";
import type { OpenOptions } from "./data/open.ts";
import type { TimeLeft } from "./estimate.ts";
import type { Method, MethodContext } from "./methods/method.ts";
import { parseMethods } from "./methods/spec.ts";
import { type Gain, type Measure, parseMeasure } from "./metrics/measures.ts";
import type { Outcome } from "./outcome.ts";
import type { RunOptions } from "./run.ts";
import { SETTINGS, type Setting } from "./settings.ts";

/** Outcomes done, of the whole run; `resumed` of them are from an earlier run. */
export type EvalProgress = { done: number; total: number; resumed: number; left: TimeLeft };

export type EvalOptions = Omit<EvaluationOptions, "methods" | "measures" | "onOutcome"> & {
  /** How to rank: specifications as `parseMethods` reads them, or methods. Defaults to `["bm25", "qrhead"]`. */
  methods?: readonly (string | Method)[] | undefined;
  /** What is computed of the rankings. Defaults to the setting's, else nDCG@10, recall@10 and MRR. */
  measures?: readonly (string | Measure)[] | undefined;
  /** Called after each ranking. */
  onOutcome?: ((outcome: Outcome, progress: EvalProgress) => void) | undefined;
};

/** What is evaluated, with what the setting and the defaults say. */
export type Evaluation = Pick<
  RunOptions,
  "limit" | "seed" | "draw" | "maxDocumentWords" | "permutations" | "jobs" | "inOrder" | "methods"
> &
  Pick<EvalOptions, "data" | "output" | "journal" | "model" | "signal" | "onOutcome"> & {
    open: OpenOptions;
    load: MethodContext["load"];
    measures: readonly Measure[];
    gain: Gain;
    baseline: string;
    resume: boolean;
    command: string;
  };

const DEFAULT_METHODS = ["bm25", "qrhead"];
const DEFAULT_MEASURES = ["ndcg@10", "recall@10", "mrr"];
const DEFAULT_SEED = 42;
const { methods: METHODS, measures: MEASURES } = EVALUATING;

/** @throws InputError `INVALID_ARGUMENT` for an unknown option, a wrong value, no data, or a baseline that is no method. */
export function parseEvalOptions(options: EvalOptions): Evaluation {
  const { methods: ways, measures: named, ...others } = optionsOf<EvalOptions>(options);
  const parsed = parseOptions(EVALUATING, others) as Omit<EvaluationOptions, "methods" | "measures">;
  const { data, format, split, granularity, run, qrels, lengths, depths, passageWords, setting: name } = parsed;
  if (data.length === 0) throw invalidArgument("data", "folders and files with data, at least one", data);
  const setting: Setting | Record<string, never> = name === undefined ? {} : SETTINGS[name];
  const methods = methodsOf(ways ?? DEFAULT_METHODS);
  const { baseline = methods[0]!.name, load } = parsed;
  if (!methods.some((method) => method.name === baseline)) {
    throw invalidArgument("baseline", `one of the methods (${methods.map((one) => one.name).join(", ")})`, baseline);
  }
  const { output, journal, model, signal, inOrder, jobs = 1, gain = "linear", resume = false, command = "" } = parsed;
  return {
    ...{ data, methods, baseline, output, journal, model, signal, inOrder, jobs, gain, resume, command },
    onOutcome: parsed.onOutcome as Evaluation["onOutcome"],
    open: {
      ...{ format, split, granularity: granularity ?? setting.granularity, run, qrels },
      depth: parsed.candidates ?? setting.candidates ?? 0,
      ...{ lengths, depths, passageWords },
    },
    load: { ...parseLoadOptions(load), order: load?.order ?? setting.order ?? "given" },
    measures: measuresOf(named ?? setting.measures ?? DEFAULT_MEASURES),
    limit: parsed.limit ?? setting.limit ?? 0,
    draw: parsed.draw ?? setting.draw,
    seed: parsed.seed ?? setting.seed ?? DEFAULT_SEED,
    maxDocumentWords: parsed.maxDocumentWords ?? setting.maxDocumentWords ?? 0,
    permutations: parsed.permutations ?? setting.permutations ?? 0,
  };
}

/** Methods that were passed as objects, followed by those of specifications. */
function methodsOf(given: readonly (string | Method)[]): Method[] {
  const isMethod = (one: unknown) => typeof one === "string" || typeof fieldsOf<Method>(one).open === "function";
  if (!isListOf(given, isMethod)) throw invalidArgument("methods", METHODS.expected, given);
  const specs = given.filter((one) => typeof one === "string");
  const own = given.filter((one) => typeof one !== "string");
  const methods = [...own, ...parseMethods(specs)];
  const twice = methods.find(({ name }, index) => methods.findIndex((one) => one.name === name) !== index);
  if (twice) {
    throw new InputError("INVALID_ARGUMENT", `Two methods are named ${twice.name}: rename one of them`, {
      option: "methods",
    });
  }
  return methods;
}

function measuresOf(given: readonly (string | Measure)[]): Measure[] {
  const isMeasure = (one: unknown) => typeof one === "string" || typeof fieldsOf<Measure>(one).name === "string";
  if (!isListOf(given, isMeasure)) throw invalidArgument("measures", MEASURES.expected, given);
  return given.map((one) => (typeof one === "string" ? parseMeasure(one) : one));
}

function isListOf(given: unknown, holds: (one: unknown) => boolean): boolean {
  return isList(given) && given.length > 0 && Array.from(given).every(holds);
}
