import { createHash } from "node:crypto";
import type { NativeAttention, SavedOpening } from "../native/addon-types.ts";
import type { Head } from "../types.ts";

/** What one query keeps for the next over the same documents, copied out of the context. */
export type Kept = {
  /** Names the instruction, the heads and what is kept of them: `nameOfOpening`. */
  name: string;
  opening: SavedOpening;
  /** Of the null query, by the digest of its tokens. */
  baseline?: { name: string; seen: NativeAttention | Float32Array } | undefined;
};

/** What was read depends on, beside the documents: a SHA-256, in hexadecimal. Threads are no part of it. */
export function nameOfOpening(heads: readonly Head[], rows: string, opening: Int32Array): string {
  return createHash("sha256")
    .update(JSON.stringify([heads, rows, [...opening]]))
    .digest("hex");
}
