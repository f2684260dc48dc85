import { type ContextOverflowError, InputError } from "../errors.ts";
import type { CellState, NativeContext } from "../native/addon-types.ts";
import type { PromptDocument } from "../prompt/build.ts";
import type { PromptLayout, Trunk } from "../prompt/layout.ts";
import type { PromptUse } from "../prompt/overflow.ts";
import type { CallOptions } from "./engine.ts";
import type { Kept } from "./kept.ts";

/** Cells that were saved, in the order of the keys that name them; `open` finds nothing where they are no longer there. */
export type SavedCells = {
  keys: readonly string[];
  open(signal: AbortSignal | undefined): Promise<AsyncIterable<CellState> | undefined>;
  /** What was saved beside them, once after they were opened, for the trunk that it was saved with. */
  takeKept(trunk: Trunk): Kept | undefined;
};

export type FillOptions = CallOptions & {
  /** The trunk that the context holds, where it holds one. */
  held?: Trunk | undefined;
  /** Cells that need not be read. */
  saved?: SavedCells | undefined;
  /** Gets the cells of independent documents as they are put into the context; memory then keeps none of them. */
  write?: ((state: CellState) => Promise<void>) | undefined;
};

/** How documents stand in the cache: all in one prompt, or each by itself. Holds nothing that a call changes but caches. */
export interface Layout {
  readonly name: "listwise" | "independent";
  /** Tokens that a context may have at most, documents and query together. */
  readonly limit: number;
  /** Tokenizes documents, in the order that they are to stand in. */
  layOut(documents: readonly PromptDocument[], signal?: AbortSignal): Promise<Trunk>;
  /** What is too long for the model or the context; undefined where all fits. */
  overflow(layout: PromptLayout, use?: PromptUse): ContextOverflowError | undefined;
  /** Makes a context hold a trunk and nothing else. */
  fill(context: NativeContext, trunk: Trunk, options: FillOptions): Promise<void>;
  /** The names of the cells that are saved of a trunk, in their order. */
  keysOf(trunk: Trunk): string[];
  /** Lets go of cells that are kept and that nobody will ask for. */
  forget(keys: ReadonlySet<string>): void;
}

/** The error for cells with a right digest that belong to other documents. This version never writes such a file. */
export function otherCells(): InputError {
  return new InputError("CORPUS_INVALID", "The saved cells are not those of the corpus's documents: save it again");
}
