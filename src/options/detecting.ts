import { NEEDLES, OBJECTIVES } from "./choices.ts";
import { withoutHeads } from "./model.ts";
import { callback, choice, integer, number, type OptionSet, other, text, toggle } from "./spec.ts";

const EXAMPLES = "Examples";
const CHOOSING = "Choosing heads";
const RUN = "Runs";
const MOST_SEED = 2 ** 32 - 1;

/** Finding heads, beside the options of loading. */
export const DETECTING = {
  examples: other({
    ...{ type: "readonly DetectionExampleInput[]", required: true, expected: "a list of examples" },
    says: "at least one example: what `parseExamples` returns, or objects with the fields that it reads",
  }),
  objective: choice({
    ...{ choices: OBJECTIVES, flag: "--objective <NAME>", group: CHOOSING },
    says: "what heads are rated by",
    more: '`"mass"`: the calibrated, masked attention on the gold documents. `"ndcg"`: nDCG@10 of the ranking that the head alone gives. `"contrastive"`: CoRe\'s, the share of the gold documents in a softmax over uncalibrated, unmasked attention.',
    ...{ default: '`"mass"`', shortDefault: "mass" },
  }),
  temperature: number({
    ...{ min: 0, above: true, flag: "--temperature <T>", group: CHOOSING },
    says: 'temperature of `"contrastive"`',
    flagSays: "temperature of contrastive",
    value: 0.1,
  }),
  rawMass: toggle({
    ...{ flag: "--raw-mass", group: CHOOSING },
    says: 'for `"mass"`, take attention neither calibrated nor masked: equations 2 to 4 of the paper',
    flagSays: "for mass: neither calibrated nor masked, as in the paper's equations",
    default: "`false`",
  }),
  top: other({
    ...{ type: 'number | "auto"', flag: "--top <N>", group: CHOOSING },
    expected: 'an integer of at least 1 or "auto"',
    flagExpected: "an integer of at least 1 or auto",
    accepts: (value) =>
      value === "auto" || (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 2 ** 31),
    says: "how many heads to choose; all if the model has fewer",
    flagSays: "heads to choose, or auto for as many as rank best",
    more: '`"auto"` chooses among 4, 8, 16, 32, 64 and all by how they rank held-out examples: 8 at least where 64 heads or more see the whole prompt.',
    ...{ default: '`"auto"`; 16 with fewer than 4 examples', shortDefault: "auto" },
  }),
  fitWeights: toggle({
    ...{ flag: "--fit-weights", group: CHOOSING },
    says: "fit non-negative weights for the chosen heads, and keep them if they rank held-out examples better than the plain sum by more than two standard errors",
    flagSays: "fit weights for the heads, kept if they rank held-out examples better",
    default: "`false`",
  }),
  untilStable: number({
    ...{ min: 0, max: 1, above: true, flag: "--until-stable <SHARE>", group: CHOOSING },
    says: "stop as soon as halves of the examples read so far agree on this share of the top heads",
    flagSays: "stop when halves of the examples agree on this share of the heads",
    more: "Checked from 8 examples on, every fourth.",
    default: "reads all",
  }),
  skipLong: toggle({
    ...{ flag: "--skip-long", group: EXAMPLES },
    says: "leave out examples that are longer than the context instead of failing",
    flagSays: "leave out examples that are longer than the context",
    default: "`false`",
  }),
  seed: integer({
    ...{ min: 0, max: MOST_SEED, flag: "--seed <SEED>", group: EXAMPLES },
    says: "decides how examples are split to measure stability and quality",
    flagSays: "seed of examples made from text, and of splits",
    value: 0,
  }),
  checkpoint: text({
    ...{ flag: "--checkpoint <FILE>", group: RUN, expected: "the path of a file", writes: true },
    says: "file that each example's scores are appended to, for `resume`; it stays when detection is done",
    flagSays: "append each example's scores to this file",
    ...{ default: "none", shortDefault: "beside the output" },
  }),
  resume: toggle({
    ...{ flag: "--resume", group: RUN },
    says: "continue from `checkpoint`; start it if it does not exist",
    flagSays: "continue where an earlier run ended",
    default: "`false`",
  }),
  limit: integer({
    ...{ min: 1, flag: "--limit <N>", group: EXAMPLES },
    says: "use only the first N examples, after shuffling",
    ...{ default: "all", shortDefault: "all" },
  }),
  shuffle: integer({
    ...{ min: 0, max: MOST_SEED, flag: "--shuffle <SEED>", group: EXAMPLES },
    says: "shuffle the examples by this seed; documents keep their order",
    ...{ default: "no shuffling", shortDefault: "as given" },
  }),
  sourceName: text({ says: "name of the examples in the head set", default: '`"examples"`' }),
  onExample: callback("(progress: ExampleProgress) => void", {
    says: "called when an example has been checked, and again when it has been scored",
  }),
} as const satisfies OptionSet;

/** Finding the heads that copy from a haystack, beside options of loading. */
export const RETRIEVAL_HEADS = {
  text: text({
    ...{ required: true, flag: "--text <FILE>" },
    says: "the haystack: a long text, of which the first `maxTokens` tokens are used",
    flagSays: "the haystack: a long text, - for standard input",
  }),
  sourceName: text({ says: "name of the text in the head set and in messages", default: '`"The text"`' }),
  facts: other({
    ...{ type: "readonly HiddenFact[]", expected: "a list of { needle, question }" },
    says: "needles and their questions",
    default: "three that ship with qrhead, in English",
  }),
  minTokens: integer({
    ...{ min: 16, flag: "--min-tokens <N>", group: "Haystacks" },
    says: "tokens of the shortest haystack",
    value: 512,
  }),
  maxTokens: integer({
    ...{ min: 16, flag: "--max-tokens <N>", group: "Haystacks" },
    says: "tokens of the longest haystack",
    default: "5000, or what the model and the text have",
    shortDefault: "5000, or what there is",
  }),
  lengths: integer({
    ...{ min: 1, flag: "--lengths <N>", group: "Haystacks" },
    says: "how many lengths to try, evenly spaced",
    value: 5,
  }),
  depths: integer({
    ...{ min: 1, flag: "--depths <N>", group: "Haystacks" },
    says: "how many depths to try, evenly spaced",
    value: 5,
  }),
  top: integer({
    ...{ min: 1, flag: "--top <N>", group: CHOOSING },
    says: "maximum number of heads to choose",
    value: 16,
  }),
  threshold: number({
    ...{ min: 0, max: 1, flag: "--threshold <X>", group: CHOOSING },
    says: "minimum score of a chosen head; a head that scored 0 is never chosen",
    flagSays: "minimum score of a head; Wu et al. use 0.1",
    ...{ default: "0", shortDefault: "anything above 0" },
  }),
  withoutHeads: { ...withoutHeads, flag: "--without <SPEC>", group: "Haystacks" },
  onTrial: callback("(trial: Trial, done: number, total: number) => void", { says: "called after each trial" }),
} as const satisfies OptionSet;

/** Examples made from texts without labels. */
export const BOOTSTRAPPING = {
  needle: choice({
    ...{ choices: NEEDLES, flag: "--needle <KIND>", group: EXAMPLES },
    says: "how queries are made",
    ...{ default: '`"mixed"`', shortDefault: "mixed" },
  }),
  examples: integer({ min: 1, max: 2 ** 20, says: "how many examples to make", value: 64 }),
  documents: integer({
    ...{ min: 4, max: 2 ** 16, flag: "--documents <N>", group: EXAMPLES },
    says: "documents per example; fewer if the text has fewer passages",
    flagSays: "documents per example made from text",
    value: 20,
  }),
  seed: integer({ min: 0, max: MOST_SEED, says: "seed of all random choices", value: 0 }),
  sourceName: text({ says: "name of the texts in messages", default: '`"The bootstrap text"`' }),
} as const satisfies OptionSet;
