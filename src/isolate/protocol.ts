/** What a call asks of the child. `view` and `corpus` are the numbers that the parent gave a retriever and a corpus. */
export type Method =
  | "load"
  | "withHeads"
  | "release"
  | "rank"
  | "rankMany"
  | "prune"
  | "inspect"
  | "chunk"
  | "tokenize"
  | "generate"
  | "countTokens"
  | "corpus.create"
  | "corpus.load"
  | "corpus.rank"
  | "corpus.rankMany"
  | "corpus.add"
  | "corpus.remove"
  | "corpus.save"
  | "corpus.dispose"
  | "dispose";

/** A call without what cannot be copied: `functions` names the options that are functions of the parent's. */
export type Request = {
  method: Method;
  view?: number;
  corpus?: number;
  args: unknown[];
  options: object;
  functions: string[];
};

/** From the parent to the child. */
export type ToChild =
  | ({ type: "call"; id: number } & Request)
  | { type: "abort"; id: number }
  | { type: "returned"; id: number; reply: number; value?: unknown; error?: WireError };

/** From the child to the parent. `reply` is the number under which the child waits for what a function returns. */
export type ToParent =
  | { type: "began"; id: number }
  | { type: "done"; id: number; value: unknown }
  | { type: "failed"; id: number; error: WireError }
  | { type: "invoke"; id: number; name: string; args: unknown[]; reply?: number };

/** An error as plain data: its class by name, and its own fields. */
export type WireError = { name: string; message: string; stack?: string; fields: Record<string, unknown> };

/** Of a loaded retriever: what its getters say. */
export type LoadedInfo = {
  model: unknown;
  heads: unknown;
  headSet: string;
  fuse: unknown;
  layout: string;
  prompt: string;
  loadMs: number;
};

/** Of a corpus: what its getters say. `documents` only where the parent does not have them. */
export type CorpusInfo = {
  documents?: unknown;
  layout: string;
  order: string;
  maxDocumentTokens: number | undefined;
  bytes: number;
};

/** Functions whose result nobody waits for: what they are told may be told late. */
export const TOLD_ONLY: ReadonlySet<string> = new Set(["onProgress", "onResult", "onText"]);
