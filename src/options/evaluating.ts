import { isObject } from "../util/kinds.ts";
import { BENCH_TRIALS, DATA_FORMATS, DRAWS, GAINS, GRANULARITIES, SETTING_NAMES } from "./choices.ts";
import { LOADING, signal } from "./model.ts";
import { callback, choice, integer, numbers, type OptionSet, other, text, texts, toggle } from "./spec.ts";

const DATA = "Data";
const HAYSTACKS = "Haystacks";
const MEASURING = "Measuring";

/** What is measured, on what, and how; `methods` and `measures` are checked where they are taken. */
export const EVALUATING = {
  data: texts({
    ...{ required: true, flag: "--data <PATH>", expected: "folders and files with data" },
    says: "folders and files with data, each a task; their names must differ",
    flagSays: "folder or file with data; repeatable",
  }),
  format: choice({
    ...{ choices: DATA_FORMATS, flag: "--format <NAME>", group: DATA },
    says: "format of the data",
    ...{ default: "recognised", shortDefault: "recognised" },
  }),
  split: text({
    ...{ flag: "--split <NAME>", group: DATA },
    says: "name of the judgements in a BEIR folder's `qrels`",
    ...{ default: '`"test"`', shortDefault: "test" },
  }),
  granularity: choice({
    ...{ choices: GRANULARITIES, flag: "--granularity <UNIT>", group: DATA },
    says: "what LongMemEval and LoCoMo retrieve",
    default: "the setting's, else the format's own",
  }),
  run: text({
    ...{ flag: "--run <FILE>", group: DATA, expected: "a path" },
    says: "TREC run whose order and documents are the candidates",
    default: "none",
  }),
  qrels: text({
    ...{ flag: "--qrels <FILE>", group: DATA, expected: "a path" },
    says: "file of judgements for a BEIR folder, in BEIR's or TREC's format",
    default: "the folder's",
  }),
  setting: choice({
    ...{ choices: SETTING_NAMES, flag: "--setting <NAME>" },
    says: "a published setting; options given here take precedence",
    flagSays: "a published setting",
    default: "none",
  }),
  methods: {
    ...texts({
      ...{ flag: "--method <METHOD>", expected: "a list of methods, at least one" },
      says: "how to rank: specifications as `parseMethods` reads them, or methods of your own",
      flagSays: "how to rank; repeatable",
    }),
    ...{ default: '`["bm25", "qrhead"]`', shortDefault: "bm25 and qrhead" },
  },
  candidates: integer({
    ...{ min: 0, flag: "--candidates <N>" },
    says: "candidates per query, by BM25 unless there is a run; 0 for all of a pool",
    flagSays: "candidates per query; 0 for all of a pool",
    ...{ default: "the setting's, else 100 for a corpus and all of a pool", shortDefault: "100 for a corpus" },
  }),
  limit: integer({
    ...{ min: 1, flag: "--limit <N>" },
    says: "draw this many queries of each task",
    ...{ default: "the setting's, else all", shortDefault: "all" },
  }),
  seed: integer({
    ...{ min: 0, max: 2 ** 32 - 1, flag: "--seed <SEED>", group: MEASURING },
    says: "seed of every draw",
    ...{ default: "the setting's, else 42", shortDefault: "42" },
  }),
  draw: choice({
    ...{ choices: DRAWS, flag: "--draw <NAME>", group: DATA },
    says: "whose generator draws the queries",
    ...{ default: 'the setting\'s, else `"qrhead"`', shortDefault: "qrhead" },
  }),
  maxDocumentWords: integer({
    ...{ min: 1, flag: "--max-document-words <N>", group: DATA },
    says: "words kept of every document that a model reads",
    ...{ default: "the setting's, else all", shortDefault: "all" },
  }),
  permutations: integer({
    ...{ min: 0, max: 1000, flag: "--permutations <N>", group: MEASURING },
    says: "also rank this many seeded permutations of the candidates, by methods that depend on their order",
    ...{ default: "the setting's, else 0", shortDefault: "0" },
  }),
  measures: texts({
    ...{ flag: "--measure <NAME>", expected: "a list of measures such as ndcg@10, recall@5 or mrr, at least one" },
    says: "what is computed from the rankings: names that `parseMeasure` reads, or its results",
    flagSays: "measure, such as ndcg@10, recall-all@5, p@1, success@1, map, mrr; repeatable",
    default: "the setting's, else nDCG@10, recall@10 and MRR",
  }),
  gain: choice({
    ...{ choices: GAINS, flag: "--gain <KIND>", group: MEASURING },
    says: "gain of nDCG: the grade, or 2^grade − 1",
    flagSays: "gain of nDCG, the grade or 2^grade - 1",
    ...{ default: '`"linear"`', shortDefault: "linear" },
  }),
  baseline: text({
    ...{ flag: "--baseline <METHOD>", group: MEASURING, expected: "the name of one of the methods" },
    says: "method that the others are tested against",
    ...{ default: "the first", shortDefault: "the first" },
  }),
  lengths: numbers({
    ...{ min: 1, max: 10_000_000, whole: true, flag: "--lengths <LIST>", group: HAYSTACKS },
    says: "words of the haystacks of a folder of needles",
    flagSays: "words of the haystacks, such as 500,1000",
    ...{ default: "`[500, 1000, 2000]`", shortDefault: "500,1000,2000" },
  }),
  depths: numbers({
    ...{ min: 0, max: 1, flag: "--depths <LIST>", group: HAYSTACKS },
    says: "places of the needle, 0 at the beginning and 1 at the end",
    flagSays: "places of the needle from 0 to 1, such as 0,0.5,1",
    ...{ default: "`[0, 0.25, 0.5, 0.75, 1]`", shortDefault: "0,0.25,0.5,0.75,1" },
  }),
  passageWords: integer({
    ...{ min: 1, max: 100_000, flag: "--passage-words <N>", group: HAYSTACKS },
    says: "words of the passages that a haystack is cut into",
    value: 100,
  }),
  jobs: integer({
    ...{ min: 1, max: 10_000, flag: "--jobs <N>", group: MEASURING },
    says: "rankers of a method that work at once, each with its own model",
    flagSays: "rankers at once, each with its own model",
    value: 1,
  }),
  inOrder: toggle({
    says: "write outcomes in the order of the queries",
    default: "`false`",
  }),
  output: text({
    ...{ flag: "-o, --output <DIR>", expected: "the path of a folder", writes: true },
    says: "folder of the results; without one, nothing is kept and no run can be resumed",
    flagSays: "folder for results.jsonl, report.json, report.html and TREC runs",
    default: "none",
  }),
  journal: text({
    says: "file of the outcomes",
    expected: "the path of a file",
    default: "`results.jsonl` in the folder of the results",
  }),
  resume: toggle({
    ...{ flag: "--resume", group: MEASURING },
    says: "continue from existing results; start if there are none",
    flagSays: "continue from the results in the folder",
    default: "`false`: existing results are an error",
  }),
  load: other({
    ...{ type: "LoadOptions", expected: "options of loading", accepts: isObject },
    says: "options to load the model that methods rank with",
    default: "the built-in model",
  }),
  model: other({
    ...{ type: "Record<string, unknown>", expected: "an object" },
    accepts: isObject,
    says: "what the report says about a model that is loaded elsewhere",
    default: "the size of the file that `load` names",
  }),
  command: other({
    ...{ type: "string", expected: "a text", accepts: (value) => typeof value === "string" },
    says: "command that the report names as its origin",
    default: "an empty text",
  }),
  signal: { ...signal, says: "stops the run; its outcomes stay in the journal" },
  onOutcome: callback("(outcome: never, progress: never) => void", { says: "called after each ranking" }),
} as const satisfies OptionSet;

/** Flags of `qrhead eval-answer`, beside those of the model. */
export const EVALUATING_ANSWERS = {
  data: text({ flag: "--data <PATH>", expected: "a path", says: "the data that was evaluated" }),
  results: text({ flag: "--results <DIR>", expected: "a folder", says: "results folder of qrhead eval" }),
  topK: numbers({
    ...{ min: 1, max: 100_000, whole: true, flag: "--top-k <LIST>", shortDefault: "5" },
    says: "documents to show, such as 3,5",
  }),
  full: toggle({ flag: "--full", says: "also show all documents" }),
  prune: numbers({
    ...{ min: 1, max: 99, flag: "--prune <LIST>", shortDefault: "none" },
    says: "also prune what is shown to these percentages of its tokens, such as 10,25,50",
  }),
  pruner: text({
    ...{ flag: "--pruner <MODEL>", expected: "a model", shortDefault: "that of --model" },
    says: "model whose heads prune",
  }),
  judge: text({
    ...{ flag: "--judge <MODEL>", expected: "a GGUF or the address of a server", shortDefault: "none" },
    says: "also let this model judge answers: a GGUF, or http://HOST/v1#NAME",
  }),
  output: text({
    ...{ flag: "-o, --output <DIR>", expected: "a folder", writes: true, shortDefault: "that of --results" },
    says: "folder for answers.jsonl",
  }),
  contextSize: { ...LOADING.contextSize, flag: "--context-size <N>", shortDefault: "what fits" },
} as const satisfies OptionSet;

/** Flags of `qrhead bench`, beside those of the model. */
export const BENCHING = {
  documentTokens: integer({
    ...{ min: 16, max: 2 ** 24, flag: "--document-tokens <N>", value: 2048 },
    says: "tokens of all documents",
  }),
  queryTokens: integer({
    ...{ min: 1, max: 4096, flag: "--query-tokens <N>", value: 40 },
    says: "tokens of the query",
  }),
  rounds: integer({
    ...{ min: 1, max: 1000, flag: "--rounds <N>", value: 3 },
    says: "rounds that count, after one that warms up",
  }),
  growth: toggle({ flag: "--growth", says: "also with a quarter to four times as many tokens" }),
  /** What the command itself asks of another process. */
  trial: choice({
    ...{ choices: BENCH_TRIALS, flag: "--trial <NAME>", hidden: true },
    says: "run one trial once, for the peak memory of a process",
  }),
  memory: toggle({ flag: "--no-memory", says: "omit peak memory, which needs two more processes" }),
} as const satisfies OptionSet;
