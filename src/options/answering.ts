import { isList } from "../util/kinds.ts";
import { LAYOUTS } from "./choices.ts";
import { DEVICE, LOADING, onProgress, signal } from "./model.ts";
import { RANKING } from "./ranking.ts";
import { callback, choice, integer, number, type OptionSet, other, toggle } from "./spec.ts";
import { chunk, chunkTokens, countTokens, instruction, neighbours, pieceOrder } from "./texts.ts";

const ANSWER = "Answer";

/** How many chunks the heads read. */
export const candidates = integer({
  ...{ min: 1, flag: "--candidates <N>", group: "First stage" },
  says: "chunks that BM25 chooses for the heads to rank, if there are more",
  flagSays: "passages that BM25 chooses for the heads to rank",
  more: "A corpus is ranked whole unless this is given.",
  ...{ default: "200, as in the paper's BEIR setting", shortDefault: "200" },
});

/** Finding what a question is to be answered from. */
export const RETRIEVING = {
  topK: integer({
    ...{ min: 1, flag: "-k, --top-k <N>" },
    says: "chunks to take at most, neighbours not counted",
    flagSays: "chunks to take",
    default: "5; with `budgetTokens`, as many as fit",
    shortDefault: "5, or what --budget holds",
    more: "Chunks that score 0 or less are not taken.",
  }),
  threshold: number({
    ...{ min: 0, max: 1, flag: "--threshold <X>", group: "Output", shortDefault: "none" },
    says: "take no chunk whose `relevance` is below this, except as a neighbour",
    flagSays: "take no chunk whose relevance (0 to 1) is below this",
    more: "`belowThreshold` counts them. If none reaches it, the result has no chunks and is `abstained`.",
    default: "none; `abstained` of `retrieve` then uses 0.5",
  }),
  budgetTokens: integer({
    ...{ min: 1, flag: "--budget <N>" },
    says: "tokens that the chunks may have together",
    ...{ default: "no limit; for `ask`, what the generator's context leaves", shortDefault: "what the context leaves" },
  }),
  candidates,
  fuse: {
    ...RANKING.fuse,
    says: "how the scores of the first stage, else of BM25, join the heads'",
    default:
      'the head set\'s, which is `{ weight: 0.5 }` beside BM25 for the built-in model, else `"none"`; .5 for an index',
  },
  layout: choice({
    ...{ choices: LAYOUTS, flag: "--layout <NAME>", group: "How texts are cut" },
    says: "chunks together in windows, or each by itself",
    more: '`"listwise"`: windows of as many chunks as a prompt holds. `"independent"` reads each chunk by itself, and a loaded retriever then keeps the chunks for the next question.',
    default: 'what the retriever was loaded with, else the layout of the head set, else `"listwise"`',
    shortDefault: "the head set's, else listwise",
  }),
  order: pieceOrder,
  neighbours,
  chunkTokens,
  chunk,
  instruction,
  history: other({
    ...{ type: "readonly ChatMessage[]", accepts: isList, expected: "a list of messages" },
    says: "earlier messages of the conversation; they come before the question in `messages`",
    default: "none",
  }),
  countTokens: { ...countTokens, default: "the retriever's tokenizer; for `ask`, the generator's" },
  onLeftOut: callback("(left: LeftOutFile) => void", { says: "called for each file of `paths` that was left out" }),
  onProgress,
  signal: { ...signal, says: "stops retrieving" },
} as const satisfies OptionSet;

/** Answering from what was retrieved; `generate` and `retriever` are checked where they are taken. */
export const ASKING = {
  generate: other({
    ...{ type: "string", required: true, flag: "-m, --model <M>" },
    expected: "the path or hf: URI of a GGUF that answers (the built-in model cannot), a loaded model, or a function",
    says: "the model that answers: the GGUF of a chat model, or of a base model, which gets a plain prompt",
    flagExpected: "the path of a GGUF, a pulled model's name or an hf: URI",
    flagSays: "GGUF that answers: a path, a pulled model's name or an hf: URI",
    more: "Or a loaded retriever, a loaded model of node-llama-cpp, or a function of messages.",
  }),
  retriever: other({
    ...{ type: "LoadOptions", flag: "--retriever <M>" },
    expected: "a retriever, or options to load one",
    says: "the retriever: a loaded one, or options to load one",
    flagExpected: "a path or an hf: URI",
    flagSays: "GGUF that retrieves",
    more: "A slim file works. A corpus has its own retriever; a loaded one passed beside it writes the answer if it has the same file as `generate`.",
    default: "the built-in model, or the retriever given as `generate`",
    shortDefault: "the built-in model",
  }),
  contextSize: integer({
    ...{ min: 64, max: 2 ** 27, flag: "-c, --context-size <N>", group: ANSWER },
    says: "tokens of the generator's context",
    default: "4096, or what the model was trained for if that is less; no limit for a function",
    shortDefault: "4096",
  }),
  maxTokens: integer({
    ...{ min: 1, flag: "--max-tokens <N>", group: ANSWER },
    says: "maximum tokens of the answer",
    value: 512,
  }),
  temperature: number({
    ...{ min: 0, max: 10, flag: "--temperature <X>", group: ANSWER },
    says: "sampling temperature; 0 is greedy",
    value: 0,
  }),
  repeatPenalty: number({
    ...{ min: 1, max: 10, flag: "--repeat-penalty <X>", group: ANSWER },
    says: "divides the odds of the answer's last 64 tokens; 1 is no penalty",
    value: 1.05,
  }),
  threads: DEVICE.threads,
  gpu: DEVICE.gpu,
  check: { ...LOADING.check, more: "Applies to both models." },
  checkTensors: { ...LOADING.checkTensors, more: "Applies to both models." },
  onSources: callback("(sources: RetrievedSource[]) => void", {
    says: "called with the sources before the answer begins",
  }),
  onText: callback("(text: string) => void", { says: "called with each piece of the answer" }),
  onProgress: { ...onProgress, type: "((progress: AskProgress) => void)" },
  signal: { ...signal, says: "stops retrieving and generating" },
} as const satisfies OptionSet;

/** Cutting documents into chunks that know where they are from. */
export const CHUNK_DOCUMENTS = {
  chunkTokens,
  chunk,
  signal: { ...signal, says: "stops the cutting" },
} as const satisfies OptionSet;

/** Reading files as texts. */
export const READ_TEXTS = {
  signal: { ...signal, says: "stops the reading" },
  onLeftOut: callback("(left: LeftOutFile) => void", { says: "called for each file that was left out" }),
} as const satisfies OptionSet;

/** Opening an index. */
export const OPENING_INDEX = {
  mustExist: toggle({
    says: "fail if the file does not exist",
    default: "`false`: starts with an empty index, which `update` fills",
  }),
  signal: { ...signal, says: "stops the reading" },
} as const satisfies OptionSet;

/** Bringing an index up to date. */
export const INDEXING = {
  chunkTokens: {
    ...chunkTokens,
    more: "An estimate, because an index has no model. Another number than before rebuilds the whole index.",
    default: "what the index has, else 200",
  },
  signal: { ...signal, says: "stops the update; the index stays as it was" },
  onProgress: callback("(progress: IndexProgress) => void", { says: "called as files are looked at" }),
  onLeftOut: callback("(left: LeftOutFile) => void", { says: "called for each file that has no text" }),
} as const satisfies OptionSet;
