// Written by `npm run options` from registry.ts: change it there.
import type { RetrievedSource } from "../../documents/places.ts";
import type { HeadSet } from "../../heads/head-set.ts";
import type { ChatMessage, Fuse, Head, Span } from "../../types.ts";
import type { AskProgress, IndexProgress, LeftOutFile, Progress } from "../progress.ts";
import type { LoadOptions } from "./ranking.ts";

/** How a text becomes chunks. */
export type ChunkOptions = {
  /** What a text is cut at. Defaults to `"paragraphs"`. */
  by?: "tokens" | "sentences" | "paragraphs" | "markdown" | "turns" | "sessions" | "code" | undefined;
  /**
   * Tokens that a chunk may have. An integer of at least 1. Neighbouring units are put together up to this, and a
   * unit that is longer is cut at the next finer ones. Without a size every unit is one chunk; `"tokens"` and
   * `"code"` have none, and take 256.
   */
  size?: number | undefined;
  /**
   * Tokens at the end of a chunk that the next one repeats, fewer than `size`. An integer of at least 0. Defaults to
   * 0.
   */
  overlap?: number | undefined;
  /**
   * Matches the beginning of a turn at the beginning of a line; its first group, if it has one, is the speaker.
   * Defaults to the ways in which chats name speakers.
   */
  turn?: RegExp | undefined;
  /**
   * Matches the line that begins a session. Defaults to a heading with "Session", "Conversation", "Chat" or "Day" and
   * a number, or `DATE:`.
   */
  session?: RegExp | undefined;
  /** Names that count as speakers even if they speak once; case does not matter. Defaults to none. */
  speakers?: readonly string[] | undefined;
};

/** How much pruning keeps: exactly one of the first three, or `relative` by itself or beside a budget or a number. */
export type PruneLimit = {
  /** Tokens that what stays may have, markers included. An integer of at least 1. */
  budgetTokens?: number | undefined;
  /** Keep what scores at least this. */
  threshold?: number | undefined;
  /** Keep the best this many, beside what is protected. An integer of at least 1. */
  topK?: number | undefined;
  /**
   * Keep what scores at least this share of the best one's score; the best one always qualifies. A number above 0 and
   * at most 1.
   */
  relative?: number | undefined;
};

/** What pruning must leave alone. A unit that touches a protected stretch stays whole. */
export type ProtectOptions = {
  /**
   * Stretches of the text, half-open in UTF-16 units. Defaults to none. With several documents: a list of stretches
   * for each, in their order, or one list that holds for all of them.
   */
  spans?: readonly Span[] | readonly (readonly Span[])[] | undefined;
  /** Opening and closing marks in the text; they stay, with what stands between. Defaults to none. */
  markers?: readonly [open: string, close: string] | undefined;
  /** Leave Markdown headings in. Defaults to `false`. */
  headings?: boolean | undefined;
  /**
   * Leave YAML between two lines of dashes at the beginning in, or TOML between lines of plus signs. Defaults to
   * `true`.
   */
  frontMatter?: boolean | undefined;
  /**
   * Speakers whose turns stay, such as `"system"`; case does not matter. Defaults to none. A turn goes to the next
   * speaker's. A name that speaks in no document is a warning.
   */
  speakers?: readonly string[] | undefined;
  /**
   * Matches the beginning of a turn at the beginning of a line; its first group, if it has one, is the speaker.
   * Defaults to `chunk.turn`.
   */
  turn?: RegExp | undefined;
};

/** What `retriever.prune` takes beside its limit and options of ranking. */
export type PruningOptions = {
  /**
   * What is kept or left out whole. Defaults to `"auto"`: chunks where the texts are many short ones already, such as
   * the turns of a chat (16 or more, of at most 48 tokens in the median), and sentences otherwise. The result's
   * `unit` says which. Of fenced code, tables and source a sentence is a line or a block.
   */
  unit?: "auto" | "sentence" | "chunk" | undefined;
  /**
   * How texts are cut for `"chunk"`, and into passages that the sentences are read in otherwise. Defaults to
   * paragraphs of up to 128 tokens. With `by: "code"` the text is source.
   */
  chunk?: ChunkOptions | undefined;
  /** What stays whatever the limit. */
  protect?: ProtectOptions | undefined;
  /** Stands where text was left out; may be empty. Defaults to `"[…] "`. Its tokens count. */
  marker?: string | undefined;
  /** Counts the budget's tokens. Defaults to the retriever's own tokenizer. */
  countTokens?: ((text: string) => number | Promise<number>) | undefined;
};

/** What `assembleContext` takes. */
export type AssembleOptions = {
  /** Pieces to take at most, neighbours not counted. An integer of at least 1. Defaults to as many as fit. */
  topK?: number | undefined;
  /** Pieces that score no higher are taken as neighbours only. Defaults to no such bound. */
  above?: number | undefined;
  /** Tokens that the context may have, citations included. An integer of at least 1. */
  budgetTokens: number;
  /** Counts a text's tokens for the model that will read it. */
  countTokens: (text: string) => number | Promise<number>;
  /**
   * Order in the context: as given, by `number`, by `date`, or best first. Defaults to `"given"`. Pieces without the
   * key keep their place behind.
   */
  order?: "given" | "number" | "date" | "score" | undefined;
  /**
   * Pieces before and after each in its group that come with it where they fit. An integer of at least 0. Defaults to
   * 0.
   */
  neighbours?: number | undefined;
};

/** What `chunkDocuments` takes. */
export type ChunkDocumentsOptions = {
  /** Tokens of the chunks that texts are cut into. An integer of at least 8. Defaults to 200. */
  chunkTokens?: number | undefined;
  /** How texts are cut. Defaults to as their file's ending says, else at paragraphs. */
  chunk?: Pick<ChunkOptions, "by" | "turn" | "session" | "speakers"> | undefined;
  /** Stops the cutting. */
  signal?: AbortSignal | undefined;
};

/** What `readTexts` takes. */
export type ReadTextsOptions = {
  /** Stops the reading. */
  signal?: AbortSignal | undefined;
  /** Called for each file that was left out. */
  onLeftOut?: ((left: LeftOutFile) => void) | undefined;
};

/** What `openIndex` takes. */
export type OpenIndexOptions = {
  /** A file that does not exist is an error. Defaults to `false`: an empty index, which `update` makes. */
  mustExist?: boolean | undefined;
  /** Stops the reading. */
  signal?: AbortSignal | undefined;
};

/** What `index.update` takes. */
export type UpdateIndexOptions = {
  /**
   * Tokens of the chunks that texts are cut into. An integer of at least 8. Defaults to what the index has, else 200.
   * Estimated, since an index is of no model. Another number than before makes the whole index anew.
   */
  chunkTokens?: number | undefined;
  /** Stops the update; the index stays as it was. */
  signal?: AbortSignal | undefined;
  /** Called as files are looked at. */
  onProgress?: ((progress: IndexProgress) => void) | undefined;
  /** Called for each file that has no text. */
  onLeftOut?: ((left: LeftOutFile) => void) | undefined;
};

/** What `retriever.retrieve` takes. */
export type RetrieveOptions = {
  /**
   * Chunks to take at most, neighbours not counted. An integer of at least 1. Defaults to 5, and as many as fit where
   * `budgetTokens` is given. Chunks that score no higher than nothing are not taken.
   */
  topK?: number | undefined;
  /**
   * Take no chunk whose `relevance` is below this; one may still come as a neighbour. A number from 0 to 1. Defaults
   * to none; `abstained` of `retrieve` then goes by 0.5. How many are below it is `belowThreshold`; where none
   * reaches it, the result has no chunks and is `abstained`.
   */
  threshold?: number | undefined;
  /**
   * Tokens that the chunks may have together. An integer of at least 1. Defaults to no limit; of `ask` what the
   * generator's context leaves.
   */
  budgetTokens?: number | undefined;
  /**
   * Chunks that BM25 chooses for the heads to rank, where there are more. An integer of at least 1. Defaults to 200,
   * as in the paper's BEIR setting. Of a corpus, which has been read, all are ranked unless this is given.
   */
  candidates?: number | undefined;
  /**
   * How the first stage's scores join the heads', or BM25's where there was no first stage. Defaults to `"none"`.
   * `"rrf"` fuses ranks; `{ weight }` is the sum of z-scores, `weight` for the heads and 1 − `weight` for the first
   * stage.
   */
  fuse?: Fuse | undefined;
  /**
   * Chunks together in windows, or each by itself. Defaults to what the retriever was loaded with, else `"listwise"`:
   * windows of as many chunks as a prompt holds. `"independent"` reads each chunk by itself, and a loaded retriever
   * then keeps the chunks for the next question.
   */
  layout?: "listwise" | "independent" | undefined;
  /**
   * Order in the context: as given, by `number`, by `date`, or best first. Defaults to `"given"`. Pieces without the
   * key keep their place behind.
   */
  order?: "given" | "number" | "date" | "score" | undefined;
  /**
   * Pieces before and after each in its group that come with it where they fit. An integer of at least 0. Defaults to
   * 0.
   */
  neighbours?: number | undefined;
  /** Tokens of the chunks that texts are cut into. An integer of at least 8. Defaults to 200. */
  chunkTokens?: number | undefined;
  /** How texts are cut. Defaults to as their file's ending says, else at paragraphs. */
  chunk?: Pick<ChunkOptions, "by" | "turn" | "session" | "speakers"> | undefined;
  /** What the model is told to do. Defaults to answering from the sources and citing them. */
  instruction?: string | undefined;
  /** Earlier messages of the conversation, which stand before the question in `messages`. Defaults to none. */
  history?: readonly ChatMessage[] | undefined;
  /**
   * Counts a text's tokens for the model that will read it. Defaults to the retriever's own tokenizer; of `ask` the
   * generator's.
   */
  countTokens?: ((text: string) => number | Promise<number>) | undefined;
  /** Called for each file of `paths` that was left out. */
  onLeftOut?: ((left: LeftOutFile) => void) | undefined;
  /** Called as the work goes on. */
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Stops retrieving. */
  signal?: AbortSignal | undefined;
};

/** What `ask` takes beside the options of `retrieve`; `generate` and `retriever` may also be loaded. */
export type AnsweringOptions = {
  /**
   * What answers: a GGUF, any chat model, or a base model, which is asked in plain text. Or a loaded retriever, a
   * loaded model of node-llama-cpp, or a function of messages.
   */
  generate: string;
  /**
   * What retrieves: loaded, or how to load it. Defaults to the built-in model; the retriever that answers, where it
   * is one. A slim file will do. A corpus has its own; a loaded one beside it writes, where it has the file that
   * answers.
   */
  retriever?: LoadOptions | undefined;
  /**
   * Tokens of the generator's context. An integer from 64 to 134217728. Defaults to 4096, or what the model was
   * trained for if that is less; of a function no limit.
   */
  contextSize?: number | undefined;
  /** Tokens that the answer may have. An integer of at least 1. Defaults to 512. */
  maxTokens?: number | undefined;
  /** How freely words are drawn; 0 is greedy. A number from 0 to 10. Defaults to 0. */
  temperature?: number | undefined;
  /** Divides the odds of words among the answer's last 64; 1 is no penalty. A number from 1 to 10. Defaults to 1.05. */
  repeatPenalty?: number | undefined;
  /**
   * CPU threads. An integer from 1 to 512. Defaults to the processors that this process may use (affinity, a
   * container's quota) and that other processes leave free when the model is loaded, at most 8. More threads than
   * free processors are several times slower.
   */
  threads?: number | undefined;
  /** Build of llama.cpp. Defaults to `"auto"`: the best that this machine has a driver for. `false` is the CPU. */
  gpu?: "auto" | false | "cuda" | "vulkan" | "metal" | undefined;
  /**
   * `"process"` loads the file and runs one forward pass in a process of its own first, with `checkTensors`. Defaults
   * to `"none"`. Of both models.
   */
  check?: "none" | "process" | undefined;
  /** Read every tensor while loading. Defaults to `false`. Of both models. */
  checkTensors?: boolean | undefined;
  /** Gets what was retrieved before the answer begins. */
  onSources?: ((sources: RetrievedSource[]) => void) | undefined;
  /** Gets the answer piece by piece. */
  onText?: ((text: string) => void) | undefined;
  /** Called as the work goes on. */
  onProgress?: ((progress: AskProgress) => void) | undefined;
  /** Stops retrieving and generating. */
  signal?: AbortSignal | undefined;
};

/** What `retriever.generate` takes. */
export type GenerateOptions = {
  /**
   * Tokens of the answer at most, and fewer where the context has no room for them. An integer of at least 1.
   * Defaults to 512.
   */
  maxTokens?: number | undefined;
  /** How freely words are drawn. A number from 0 to 10. Defaults to 0. 0 always takes the likeliest token. */
  temperature?: number | undefined;
  /**
   * Draw among the likeliest tokens that have this share of the probability together. A number from 0 to 1. Defaults
   * to 0.95.
   */
  topP?: number | undefined;
  /** Draw among this many of the likeliest tokens; 0 is all. An integer of at least 0. Defaults to 40. */
  topK?: number | undefined;
  /** Divides the odds of the answer's last 64 tokens; 1 is no penalty. A number from 1 to 10. Defaults to 1. */
  repeatPenalty?: number | undefined;
  /**
   * Of the draws: the same messages then give the same text. An integer from 0 to 4294967294. Defaults to a random
   * one.
   */
  seed?: number | undefined;
  /** Texts before which the answer ends. Defaults to none. */
  stop?: string | readonly string[] | undefined;
  /**
   * Tokens that messages and answer may have together. An integer from 16 to 134217728. Defaults to what the model
   * was trained for.
   */
  contextSize?: number | undefined;
  /**
   * Do not read again what the messages begin with if the messages of the last call began with it too. Defaults to
   * `true`. It moves last digits of the probabilities, as any other cut of the prompt does: `false` gives the same
   * draws whatever was written before.
   */
  cachePrompt?: boolean | undefined;
  /**
   * Heads to take out: their output is zero while the model reads and writes. Defaults to none. As for `heads` of
   * loading. What a model can no longer do without them, they did.
   */
  withoutHeads?: string | readonly Head[] | HeadSet | undefined;
  /** Stops the call within one forward pass; it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called as the messages are read, with their tokens. */
  onProgress?: ((progress: { phase: "prompt"; done: number; total: number }) => void) | undefined;
};
