/**
 * The whole surface of the native addon, described once. Nothing outside `src/native` sees it.
 *
 * Units: tokens for sizes and positions, milliseconds for times, bytes for memory. Spans are half-open `[begin, end)`.
 * Typed arrays are copied in both directions. Native failures reject with an `Error` whose `code` is a `QRHeadErrorCode`,
 * or `"ABORTED"` when the cancellation was set.
 */
export type Addon = {
  /** The llama.cpp release whose headers the addon was compiled with, such as `0.4.0`. */
  readonly compiledVersion: string;
  /** True when the dynamic loader finds this system library (`libcuda.so.1`); nothing stays loaded. */
  canOpenLibrary(name: string): boolean;
  /**
   * Binds llama.cpp from `directory`. Idempotent for one directory. `LIBRARY_MISMATCH` for a second directory in one process,
   * for another release or other layouts than those compiled in, and where the process already holds another build that the
   * system would mix with this one.
   */
  bind(options: { directory: string; llama: string; ggml: string; ggmlBase: string; release?: string }): Promise<void>;
  /** Registers the backends of one more folder, or one file of them: some CUDA machines need the fallback build. */
  loadBackends(directory: string, file?: string): Promise<void>;
  libraryInfo(): Promise<LibraryInfo>;
  Cancellation: new () => Cancellation;
  /** Takes up to `cells` cells of a KV cache, whose bytes, as many as are named or more, are then appended. */
  CellState: new (
    cells: number,
    bytes?: number,
  ) => CellState;
  loadModel(
    /**
     * `checkTensors` reads every tensor: none may have NaN or infinite values, or zeros where no model has them.
     * `usedLayers`: those that will be computed, from the first on; the others then take no memory of a device.
     */
    options: { path: string; gpuLayers: number; useMmap: boolean; checkTensors?: boolean; usedLayers?: number },
    cancellation: Cancellation,
    onProgress?: (fraction: number) => void,
  ): Promise<NativeModel>;
  /** What the header of a GGUF says, as `info()` of the loaded model. Reads no weights. */
  describeModel(options: { path: string }, cancellation: Cancellation): Promise<NativeModelInfo>;
  /**
   * Writes the first `layers` layers of a model to a new file, with the given metadata strings of at most 127 bytes. A
   * cancellation works while the call waits for a thread; the copy itself cannot be stopped.
   */
  slimModel(
    options: {
      input: string;
      output: string;
      layers: number;
      totalLayers: number;
      metadata: Record<string, string>;
    },
    cancellation?: Cancellation,
  ): Promise<void>;
};

export type LibraryInfo = {
  version: string;
  directory: string;
  devices: {
    name: string;
    description: string;
    type: "cpu" | "gpu" | "igpu" | "accel";
    /** Why it cannot compute anything; absent where it can. Such a device is given no model. */
    failure?: string;
    memoryTotal: number;
    memoryFree: number;
  }[];
  supportsGpuOffload: boolean;
  supportsMmap: boolean;
};

/** A flag that running work polls, at the latest once per ubatch. */
export type Cancellation = { cancel(): void; readonly cancelled: boolean };

/** Cells of a KV cache, copied out of it: opaque, and of use only for a context of the same model and options. */
export interface CellState {
  readonly cells: number;
  readonly bytes: number;
  /** A copy of bytes `[begin, end)`. */
  slice(begin: number, end: number): Uint8Array;
  append(bytes: Uint8Array): void;
}

/** An opening, copied out of a context. `sums`: what its tokens attend to, row-major, a column for each cell up to its end. */
export type SavedOpening = { cells: CellState; sums: Float32Array };

export type NativeModelInfo = {
  architecture: string;
  description: string;
  layers: number;
  /** Query heads of the first layer; a layer of some models may differ. */
  heads: number;
  kvHeads: number;
  embeddingSize: number;
  trainContextSize: number;
  slidingWindow: number;
  parameters: number;
  bytes: number;
  vocabularyType: "none" | "spm" | "bpe" | "wpm" | "ugm" | "rwkv" | "plamo2";
  vocabularySize: number;
  bosToken: number | null;
  bosText: string;
  eosText: string;
  addBos: boolean;
  hasEncoder: boolean;
  hasDecoder: boolean;
  recurrent: boolean;
  hybrid: boolean;
  diffusion: boolean;
  chatTemplate: string | null;
  /** Every scalar of the GGUF header, as text; arrays are left out. */
  metadata: Record<string, string>;
};

/** A stretch of prompt. Special tokens are recognised in `special` pieces only. */
type PromptPiece = { text: string; special: boolean };

export type Tokenization = {
  tokens: Int32Array;
  /**
   * `[begin, end)` of every token in bytes of the concatenated UTF-8 text, two numbers a token. A begin-of-sequence token that
   * the text does not show is empty.
   */
  offsets: Uint32Array;
};

export type NativeContextOptions = {
  contextSize: number;
  /** Tokens of one forward pass: work is cancelled between two, and llama.cpp's `n_batch` and `n_ubatch` are both this. */
  batchSize: number;
  threads: number;
  cacheTypeK: string;
  cacheTypeV: string;
  /** False reads `kq_soft_max` instead of computing from q and k: the independent path, slower. */
  flashAttention: boolean;
  offloadKqv: boolean;
  /**
   * `[layer, head]` pairs, flattened: heads that are taken out. Their output is zeroed after the attention and before the
   * output projection, for every token. Needs `earlyStop: false`. `HEADS_MISMATCH` for heads that the model lacks; a pass
   * throws `MODEL_UNSUPPORTED` where a layer has no output of heads.
   */
  withoutHeads?: Int32Array;
  /** `[layer, head]` pairs, flattened. Their order is the order of rows in `NativeAttention`. */
  heads: Int32Array;
  /** True ends every forward pass after the deepest wanted layer. */
  earlyStop: boolean;
  /**
   * Sequences that share the cache, 1 to 64. Defaults to 1. `observe` decodes so many branches in one forward pass;
   * `putDocuments` needs 2; `readDocuments` reads one less than this at a time.
   */
  sequences?: number;
};

type ObserveOptions = {
  /** `"heads"` keeps a row per head; `"sum"` a single row, the sum over heads, which is made while capturing. */
  rows: "sum" | "heads";
  /** Of that sum, one per head, finite and at least 0; none means 1 everywhere. Not with `"heads"`: `INVALID_ARGUMENT`. */
  weights?: Float32Array | null;
  /**
   * True fills passes up to the rows that flash attention on the CPU computes in tiles, false keeps them below: the two differ
   * in the third digit of small entries. Defaults to a choice by the cells in use.
   */
  tiles?: boolean;
};

export type NativeWriterOptions = Omit<NativeContextOptions, "heads" | "earlyStop" | "sequences">;

/** How tokens are drawn, by llama.cpp's samplers in this order: penalty, top k, top p, temperature. */
type NativeSampling = {
  /** 0 takes the likeliest token; then only the penalty counts beside it. */
  temperature: number;
  /** 0 keeps all. */
  topK: number;
  /** 0 to 1. */
  topP: number;
  /** 0 to 2³² − 2. */
  seed: number;
  /** Divides the odds of the text's last 64 tokens, at least 1: no penalty. */
  repeatPenalty: number;
};

export interface NativeModel {
  info(): NativeModelInfo;
  tokenize(pieces: PromptPiece[], cancellation?: Cancellation): Promise<Tokenization>;
  /** A cancellation is heard while the call waits for a thread; llama.cpp's own part cannot be stopped. */
  createContext(options: NativeContextOptions, cancellation?: Cancellation): Promise<NativeContext>;
  /** A context of full depth, to write text with. A cancellation is heard as by `createContext`. */
  createWriter(options: NativeWriterOptions, cancellation?: Cancellation): Promise<NativeWriter>;
  /**
   * Gives up this share of the weights, which go when the last context and the last running call have ended. Does not wait
   * for either. Idempotent.
   */
  dispose(): Promise<void>;
}

export interface NativeContext {
  /** Tokens in the KV cache. */
  readonly position: number;
  readonly contextSize: number;
  readonly batchSize: number;
  /** Appends tokens without looking at attention. */
  prefill(tokens: Int32Array, cancellation: Cancellation, onProgress?: (done: number) => void): Promise<void>;
  /**
   * The trunk is everything in the cache. Decodes each branch as if it alone followed the trunk, captures its attention in the
   * context's heads, and removes it again, so the cache is as before. After an opening, branches continue the opening, and
   * their attention is the average over its tokens and theirs.
   *
   * @returns A `NativeAttention` per branch, with columns for the trunk and then for the branch's own tokens.
   */
  observe(
    branches: Int32Array[],
    options: ObserveOptions,
    cancellation: Cancellation,
    onProgress?: (done: number) => void,
  ): Promise<NativeAttention[]>;
  /**
   * Appends an opening: tokens that all branches begin with, read one by one. `observe` then takes branches without them, and
   * the same `rows` and `weights`. `rollback` forgets it; whatever else changes the cache makes it tokens like all others.
   */
  readOpening(tokens: Int32Array, options: Omit<ObserveOptions, "tiles">, cancellation: Cancellation): Promise<void>;
  /** A copy of the opening. `INVALID_ARGUMENT` where there is none, and `MODEL_UNSUPPORTED` as by `saveCells`. */
  saveOpening(): Promise<SavedOpening>;
  /**
   * Puts an opening after the trunk that it was read after, in place of `readOpening`. `CORPUS_INVALID` for one that was
   * read after other cells or with other rows.
   */
  loadOpening(opening: SavedOpening, options: Omit<ObserveOptions, "tiles">): Promise<void>;
  /**
   * Whether `tiles`, all rows of a query in one pass, are better than row by row after an opening and beside a null query that
   * were read before: cheaper, or more precise at a small cost. `cells`: tokens of the trunk. `all`: rows of opening, query and
   * null query; `further`: rows of the query alone.
   */
  tilesPay(rows: { cells: number; all: number; further: number }): boolean;
  /** Forgets every token from `position` on. */
  rollback(position: number): void;
  /**
   * Decodes greedily after the cache, `last` first, until a line break, an end of generation or `maxTokens`, and forgets it
   * again. Needs `earlyStop: false`.
   *
   * `attended[step * heads + head]`: the cell that the head attended to most while `tokens[step]` was chosen. `text`: the
   * tokens' bytes of UTF-8, which may end inside a character.
   */
  generate(
    options: { last: number; maxTokens: number },
    cancellation: Cancellation,
  ): Promise<{ tokens: Int32Array; attended: Int32Array; text: Uint8Array }>;
  /** A copy of all cells, documents among them. Not for models with a sliding window: `MODEL_UNSUPPORTED`. */
  saveCells(): Promise<CellState>;
  /**
   * Puts cells in place of all there are: those of a smaller context too, so that a context can grow with what it holds.
   * `CORPUS_INVALID` for others than this model's and these options'; the context is then empty.
   */
  loadCells(state: CellState): Promise<void>;
  /**
   * Reads each document as if it alone stood after the tokens in the cache, several in one forward pass.
   *
   * With `keep` the documents stay where they were read, in the order given and after those that are there, as
   * `putDocuments` would have put them; a failure and an abort then take all documents out. Without, the cache is as before.
   *
   * @returns With `copy`, a copy of each document's cells; nothing otherwise.
   * @throws `INVALID_ARGUMENT` for a context of one sequence, an empty document and, with `copy`, one that is as long as the
   *   model's sliding window; `CONTEXT_OVERFLOW`.
   */
  readDocuments(
    documents: Int32Array[],
    options: { keep: boolean; copy: boolean },
    cancellation: Cancellation,
    onProgress?: (done: number) => void,
  ): Promise<CellState[]>;
  /**
   * Appends documents that were read after the same tokens. Their cells lie one after the other; their positions all begin
   * at the end of those tokens, and what follows stands after the longest document and attends to all.
   */
  putDocuments(documents: CellState[]): Promise<void>;
  /** Frees the cache, or leaves that to the call that is still running: does not wait for it. Idempotent. */
  dispose(): Promise<void>;
}

/** A KV cache of full depth and the text that is written after it. */
export interface NativeWriter {
  /** Tokens in the KV cache. */
  readonly position: number;
  readonly contextSize: number;
  /**
   * Reads a prompt and begins a text after it. Of what the cache holds, what the prompt begins with stays; with `afresh`
   * nothing does. Resolves to the number of tokens that stayed. After a failure no text has begun.
   */
  read(
    prompt: Int32Array,
    options: NativeSampling & { afresh: boolean },
    cancellation: Cancellation,
    onProgress?: (done: number) => void,
  ): Promise<number>;
  /**
   * Draws the text's next token. `text`: its bytes of UTF-8, which may end inside a character. `end`: one of the vocabulary's
   * end tokens, which has no text; nothing comes after it. `CONTEXT_OVERFLOW` where the cache is full.
   */
  next(cancellation: Cancellation): Promise<{ token: number; text: Uint8Array; end: boolean }>;
  /**
   * Logits after the prompt that was read last, one a token of the vocabulary. `INVALID_ARGUMENT` where none was.
   */
  promptLogits(): Float32Array;
  /** As of a context. */
  dispose(): Promise<void>;
}

/** Attention of a branch's tokens, averaged over them: one row of the softmax per head, on the native side. */
export interface NativeAttention {
  /** Rows kept: the number of heads, or 1 when the heads were summed while they were captured. */
  readonly rows: number;
  /** Columns: tokens of the trunk, then those of the branch. */
  readonly tokens: number;
  /**
   * Sum over heads of `weight × (this − baseline)` for tokens `[0, end)`. Float32, length `end`.
   *
   * @param weights One per row, finite and at least 0; none means 1 everywhere.
   */
  sumOverHeads(baseline: NativeAttention | null, end: number, weights?: Float32Array | null): Promise<Float32Array>;
  /** One row, for tests and inspection. */
  row(index: number): Float32Array;
  /**
   * Per head and document, `[rows × documents]` row-major: the head's weight times the sum over the document's tokens of
   * `this − baseline`. `mask`: `"none"`; `"per-head"` drops, for each head, tokens at or below mean − 2·std (QRHead
   * detection); `"shared"` drops those that the weighted sum over heads would drop, so that the column sums are the
   * documents' scores.
   */
  documentScores(options: {
    baseline: NativeAttention | null;
    /** `[begin, end)` per document, flattened. */
    spans: Uint32Array;
    mask: "none" | "per-head" | "shared";
    /** As for `sumOverHeads`. */
    weights?: Float32Array | null;
  }): Promise<Float32Array>;
}
