/** Half-open `[begin, end)`, in the unit that the name says. */
export type Span = readonly [begin: number, end: number];

/** A query head of a transformer: 0-based layer, 0-based head within it. */
export type Head = readonly [layer: number, head: number];

/** A document as rerank ranks it. */
export type RankDocument = {
  /** Name in the results. Defaults to the 0-based index as a string. */
  id: string;
  /** Shown to the model on its own line before the text; an empty one is an empty line. */
  title?: string;
  text: string;
};

/** One turn of a conversation. */
export type ChatMessage = { role: "system" | "user" | "assistant"; content: string };

/** What head sets and prompt profiles are matched against. */
export type ModelIdentity = {
  architecture: string;
  /** `general.name`, else the file name without its ending. */
  name: string;
  /** File name without folder. */
  fileName: string;
  layers: number;
  /** Query heads per layer. */
  heads: number;
  /** Layers of the model that a slim file was made from; equal to `layers` otherwise. */
  originalLayers: number;
  chatTemplate: string | null;
  /** Layers with a sliding window of `tokens` tokens, if there are any; `layers` is null if it is unknown which. */
  slidingWindow?: { tokens: number; layers: readonly number[] | null };
  /** Every scalar of the GGUF header, as text. */
  metadata: Readonly<Record<string, string>>;
};

/**
 * How the heads' scores and those of a first stage become one ranking.
 *
 * - `"none"`: by the heads alone
 * - `"rrf"`: reciprocal rank fusion, Σ 1 / (60 + rank), ranks from 1, equal scores sharing their mean rank
 *   (Cormack et al. 2009)
 * - `{ weight }`: `weight · z(heads) + (1 − weight) · z(prior)`, `weight` from 0 to 1, where `z(x) = (x − mean) / std` over
 *   the documents of the call, `std` the population's, and z is 0 if all are equal
 */
export type Fuse = "none" | "rrf" | { weight: number };

/** Scores of a first stage, one per document, higher is better; `"bm25"` computes BM25 over the documents themselves. */
export type Prior = "bm25" | readonly number[] | Float32Array | Float64Array;

/** What is used of Electron's `utilityProcess`. */
export type UtilityProcessModule = {
  fork(modulePath: string, args?: string[], options?: object): UtilityProcess;
};

/** What is used of a Node.js stream of text. */
export type ReadableText = {
  setEncoding(encoding: "utf8"): { on(event: "data", listener: (text: string) => void): unknown };
};

/** What is used of a process that Electron's `utilityProcess` started. */
export type UtilityProcess = {
  readonly pid: number | undefined;
  postMessage(message: unknown): void;
  on(event: "message", listener: (message: unknown) => void): unknown;
  on(event: "exit", listener: (code: number) => void): unknown;
  kill(): boolean;
  readonly stderr: ReadableText | null;
};
