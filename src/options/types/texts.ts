// Written by `npm run options` from registry.ts: change it there.
import type { RetrievedSource } from "../../documents/places.ts";
import type { HeadSet } from "../../heads/head-set.ts";
import type { ChatMessage, Fuse, Head, Span } from "../../types.ts";
import type { AskProgress, IndexProgress, LeftOutFile, Progress } from "../progress.ts";
import type { LoadOptions } from "./ranking.ts";

/** How a text becomes chunks. */
export type ChunkOptions = {
  /** Units that a text is cut into. Defaults to `"paragraphs"`. */
  by?: "tokens" | "sentences" | "paragraphs" | "markdown" | "turns" | "sessions" | "code" | undefined;
  /**
   * Tokens that a chunk may have. An integer of at least 1. Neighbouring units are joined up to this, and a longer
   * unit is cut at the next finer ones. Without a size every unit is one chunk, except that `"tokens"` and `"code"`
   * use 256.
   */
  size?: number | undefined;
  /**
   * Tokens at the end of a chunk that the next one repeats, fewer than `size`. An integer of at least 0. Defaults to
   * 0.
   */
  overlap?: number | undefined;
  /**
   * Matches the beginning of a turn at the beginning of a line; its first group, if it has one, is the speaker.
   * Defaults to the usual formats of chats.
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

/** How much pruning keeps: exactly one of the first three, `relative`, or both. */
export type PruneLimit = {
  /** Maximum tokens of the pruned text, markers included. An integer of at least 1. */
  budgetTokens?: number | undefined;
  /** Keep units that score at least this. */
  threshold?: number | undefined;
  /** Keep the best N units, besides what is protected. An integer of at least 1. */
  topK?: number | undefined;
  /**
   * Keep units that score at least this share of the best one's score; the best one always qualifies. A number above
   * 0 and at most 1.
   */
  relative?: number | undefined;
};

/** What pruning must keep. A unit that touches a protected range stays whole. */
export type ProtectOptions = {
  /**
   * Ranges of the text, half-open in UTF-16 units. Defaults to none. With several documents: a list of ranges for
   * each, in their order, or one list for all.
   */
  spans?: readonly Span[] | readonly (readonly Span[])[] | undefined;
  /** An opening and a closing mark; they stay, with the text between them. Defaults to none. */
  markers?: readonly [open: string, close: string] | undefined;
  /** Keep Markdown headings. Defaults to `false`. */
  headings?: boolean | undefined;
  /**
   * Keep front matter: YAML between two lines of dashes at the beginning, or TOML between lines of plus signs.
   * Defaults to `true`.
   */
  frontMatter?: boolean | undefined;
  /**
   * Speakers whose turns stay, such as `"system"`; case does not matter. Defaults to none. A turn ends at the next
   * speaker's. A name that speaks in no document gives a warning.
   */
  speakers?: readonly string[] | undefined;
  /**
   * Matches the beginning of a turn at the beginning of a line; its first group, if it has one, is the speaker.
   * Defaults to `chunk.turn`.
   */
  turn?: RegExp | undefined;
};

/** What `retriever.prune` takes besides its limit and options of ranking. */
export type PruningOptions = {
  /**
   * Unit that is kept or dropped whole. Defaults to `"auto"`: chunks if the texts are many short ones, such as the
   * turns of a chat (16 or more, median at most 48 tokens), else sentences. The result's `unit` says which. In fenced
   * code, tables and source, a sentence is a line or a block.
   */
  unit?: "auto" | "sentence" | "chunk" | undefined;
  /**
   * How texts are cut into the units of `"chunk"`, else into the passages that price the sentences. Defaults to
   * paragraphs of up to 128 tokens. With `by: "code"` the text is source.
   */
  chunk?: ChunkOptions | undefined;
  /** What stays regardless of the limit. */
  protect?: ProtectOptions | undefined;
  /** Replaces text that was left out; may be empty. Defaults to `"[…] "`. Its tokens count. */
  marker?: string | undefined;
  /** Counts the budget's tokens. Defaults to the retriever's own tokenizer. */
  countTokens?: ((text: string) => number | Promise<number>) | undefined;
};

/** What `assembleContext` takes. */
export type AssembleOptions = {
  /** Pieces to take at most, neighbours not counted. An integer of at least 1. Defaults to as many as fit. */
  topK?: number | undefined;
  /** Pieces that score no higher are added only as neighbours. Defaults to none. */
  above?: number | undefined;
  /** Tokens that the context may have, citations included. An integer of at least 1. */
  budgetTokens: number;
  /** Counts a text's tokens for the model that will read it. */
  countTokens: (text: string) => number | Promise<number>;
  /**
   * Order in the context: as given, by `number`, by `date`, or best first. Defaults to `"given"`. Pieces without the
   * key come last, in the given order.
   */
  order?: "given" | "number" | "date" | "score" | undefined;
  /**
   * Pieces of the same group before and after each that are added if they fit. An integer of at least 0. Defaults to
   * `0`.
   */
  neighbours?: number | undefined;
};

/** What `chunkDocuments` takes. */
export type ChunkDocumentsOptions = {
  /** Tokens of the chunks that texts are cut into. An integer of at least 8. Defaults to `200`. */
  chunkTokens?: number | undefined;
  /** How texts are cut. Defaults to by the file's ending, else at paragraphs. */
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
  /** Fail if the file does not exist. Defaults to `false`: starts with an empty index, which `update` fills. */
  mustExist?: boolean | undefined;
  /** Stops the reading. */
  signal?: AbortSignal | undefined;
};

/** What `index.update` takes. */
export type UpdateIndexOptions = {
  /**
   * Tokens of the chunks that texts are cut into. An integer of at least 8. Defaults to what the index has, else 200.
   * An estimate, because an index has no model. Another number than before rebuilds the whole index.
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
   * Chunks to take at most, neighbours not counted. An integer of at least 1. Defaults to 5; with `budgetTokens`, as
   * many as fit. Chunks that score 0 or less are not taken.
   */
  topK?: number | undefined;
  /**
   * Take no chunk whose `relevance` is below this, except as a neighbour. A number from 0 to 1. Defaults to none;
   * `abstained` of `retrieve` then uses 0.5. `belowThreshold` counts them. If none reaches it, the result has no
   * chunks and is `abstained`.
   */
  threshold?: number | undefined;
  /**
   * Tokens that the chunks may have together. An integer of at least 1. Defaults to no limit; for `ask`, what the
   * generator's context leaves.
   */
  budgetTokens?: number | undefined;
  /**
   * Chunks that BM25 chooses for the heads to rank, if there are more. An integer of at least 1. Defaults to 200, as
   * in the paper's BEIR setting. A corpus is ranked whole unless this is given.
   */
  candidates?: number | undefined;
  /**
   * How the scores of the first stage, else of BM25, join the heads'. Defaults to the head set's, which is `{ weight:
   * 0.5 }` beside BM25 for the built-in model, else `"none"`; .5 for an index. `"rrf"` fuses ranks; `{ weight }` is
   * the sum of z-scores, `weight` for the heads and 1 − `weight` for the first stage.
   */
  fuse?: Fuse | undefined;
  /**
   * Chunks together in windows, or each by itself. Defaults to what the retriever was loaded with, else the layout of
   * the head set, else `"listwise"`. `"listwise"`: windows of as many chunks as a prompt holds. `"independent"` reads
   * each chunk by itself, and a loaded retriever then keeps the chunks for the next question.
   */
  layout?: "listwise" | "independent" | undefined;
  /**
   * Order in the context: as given, by `number`, by `date`, or best first. Defaults to `"given"`. Pieces without the
   * key come last, in the given order.
   */
  order?: "given" | "number" | "date" | "score" | undefined;
  /**
   * Pieces of the same group before and after each that are added if they fit. An integer of at least 0. Defaults to
   * `0`.
   */
  neighbours?: number | undefined;
  /** Tokens of the chunks that texts are cut into. An integer of at least 8. Defaults to `200`. */
  chunkTokens?: number | undefined;
  /** How texts are cut. Defaults to by the file's ending, else at paragraphs. */
  chunk?: Pick<ChunkOptions, "by" | "turn" | "session" | "speakers"> | undefined;
  /** What the model is told to do. Defaults to answering from the sources and citing them. */
  instruction?: string | undefined;
  /** Earlier messages of the conversation; they come before the question in `messages`. Defaults to none. */
  history?: readonly ChatMessage[] | undefined;
  /**
   * Counts a text's tokens for the model that will read it. Defaults to the retriever's tokenizer; for `ask`, the
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

/** What `ask` takes besides the options of `retrieve`; `generate` and `retriever` may also be loaded objects. */
export type AnsweringOptions = {
  /**
   * The model that answers: the GGUF of a chat model, or of a base model, which gets a plain prompt. Or a loaded
   * retriever, a loaded model of node-llama-cpp, or a function of messages.
   */
  generate: string;
  /**
   * The retriever: a loaded one, or options to load one. Defaults to the built-in model, or the retriever given as
   * `generate`. A slim file works. A corpus has its own retriever; a loaded one passed beside it writes the answer if
   * it has the same file as `generate`.
   */
  retriever?: LoadOptions | undefined;
  /**
   * Tokens of the generator's context. An integer from 64 to 134217728. Defaults to 4096, or what the model was
   * trained for if that is less; no limit for a function.
   */
  contextSize?: number | undefined;
  /** Maximum tokens of the answer. An integer of at least 1. Defaults to `512`. */
  maxTokens?: number | undefined;
  /** Sampling temperature; 0 is greedy. A number from 0 to 10. Defaults to `0`. */
  temperature?: number | undefined;
  /** Divides the odds of the answer's last 64 tokens; 1 is no penalty. A number from 1 to 10. Defaults to `1.05`. */
  repeatPenalty?: number | undefined;
  /**
   * CPU threads. An integer from 1 to 512. Defaults to the processors that this process may use (affinity, a
   * container's quota) and that are free when the model is loaded, at most 8. More threads than free processors are
   * several times slower.
   */
  threads?: number | undefined;
  /** Build of llama.cpp. Defaults to `"auto"`: the best that this machine has a driver for. `false` is the CPU. */
  gpu?: "auto" | false | "cuda" | "vulkan" | "metal" | undefined;
  /**
   * `"process"` first loads the file and runs one forward pass in a process of its own, with `checkTensors`. Defaults
   * to `"none"`. Applies to both models.
   */
  check?: "none" | "process" | undefined;
  /** Read every tensor while loading. Defaults to `false`. Applies to both models. */
  checkTensors?: boolean | undefined;
  /** Called with the sources before the answer begins. */
  onSources?: ((sources: RetrievedSource[]) => void) | undefined;
  /** Called with each piece of the answer. */
  onText?: ((text: string) => void) | undefined;
  /** Called as the work goes on. */
  onProgress?: ((progress: AskProgress) => void) | undefined;
  /** Stops retrieving and generating. */
  signal?: AbortSignal | undefined;
};

/** What `retriever.generate` takes. */
export type GenerateOptions = {
  /** Maximum tokens of the answer; fewer if the context has no room. An integer of at least 1. Defaults to `512`. */
  maxTokens?: number | undefined;
  /** Sampling temperature. A number from 0 to 10. Defaults to `0`. 0 always takes the likeliest token. */
  temperature?: number | undefined;
  /**
   * Draw among the likeliest tokens that together have this share of the probability. A number from 0 to 1. Defaults
   * to `0.95`.
   */
  topP?: number | undefined;
  /** Draw among this many of the likeliest tokens; 0 is all. An integer of at least 0. Defaults to `40`. */
  topK?: number | undefined;
  /** Divides the odds of the answer's last 64 tokens; 1 is no penalty. A number from 1 to 10. Defaults to `1`. */
  repeatPenalty?: number | undefined;
  /**
   * Seed of the sampling: the same messages then give the same text. An integer from 0 to 4294967294. Defaults to a
   * random one.
   */
  seed?: number | undefined;
  /** Texts that end the answer, before the first that occurs. Defaults to none. */
  stop?: string | readonly string[] | undefined;
  /**
   * Tokens that messages and answer may have together. An integer from 16 to 134217728. Defaults to what the model
   * was trained for.
   */
  contextSize?: number | undefined;
  /**
   * Reuse the cache for the beginning that the messages share with the last call. Defaults to `true`. Last digits of
   * the probabilities may then differ. `false` gives the same text whatever was written before.
   */
  cachePrompt?: boolean | undefined;
  /**
   * Heads to take out: their output is zero while the model reads and writes. Defaults to none. Takes what `heads`
   * takes.
   */
  withoutHeads?: string | readonly Head[] | HeadSet | undefined;
  /** Stops the call within one forward pass; it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called during prefill, with the tokens read. */
  onProgress?: ((progress: { phase: "prompt"; done: number; total: number }) => void) | undefined;
};
