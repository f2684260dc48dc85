import type { ContextOverflowError } from "../errors.ts";
import type { CellState, NativeContext } from "../native/addon-types.ts";
import { callNative } from "../native/call.ts";
import type { PromptDocument } from "../prompt/build.ts";
import {
  type IndependentLayout as IndependentPrompt,
  type IndependentTrunk,
  joinDocuments,
  type LoneDocument,
  layOutLoneDocument,
  positionsNeeded,
} from "../prompt/independent.ts";
import { type PromptLayout, sameTokens, type Trunk, tokensNeeded } from "../prompt/layout.ts";
import { overflowOf, type PromptUse } from "../prompt/overflow.ts";
import type { DocumentStore } from "./document-store.ts";
import { type Engine, tokenize, trainedFor } from "./engine.ts";
import { type FillOptions, type Layout, otherCells } from "./layout.ts";

/** Bytes of laid-out documents that are remembered: their tokens do not depend on the query. */
const MAX_LAID_OUT_BYTES = 64 * 2 ** 20;

/**
 * Each document is read after the same prefix in a sequence of its own. Then a query attends to all.
 *
 * Every document is numbered 1 and begins at the same position, so that its K and V depend on nothing but itself and
 * documents can be combined freely. They lie in the cache in the order of their keys, so the order of a call changes
 * nothing. The query begins after the longest. With one document this is the listwise prompt.
 */
export class IndependentLayout implements Layout {
  readonly name = "independent";
  readonly #engine: Engine;
  readonly #store: DocumentStore;
  /** Least recently used first. */
  readonly #laidOut = new Map<string, LoneDocument>();
  #laidOutBytes = 0;

  constructor(engine: Engine, store: DocumentStore) {
    this.#engine = engine;
    this.#store = store;
  }

  get limit(): number {
    return this.#engine.options.contextSize ?? Number.POSITIVE_INFINITY;
  }

  async layOut(documents: readonly PromptDocument[], signal?: AbortSignal): Promise<IndependentTrunk> {
    const lone: LoneDocument[] = [];
    for (const document of documents) lone.push(await this.#layOutLone(document, signal));
    return joinDocuments(documents, lone);
  }

  /** Positions are bounded by what the model was trained for, cells by the context size that was asked for. */
  overflow(layout: PromptLayout, use?: PromptUse): ContextOverflowError | undefined {
    const trained = trainedFor(this.#engine);
    if (positionsNeeded(layout as IndependentPrompt) > trained) {
      return overflowOf(layout, { held: trained, trained, apart: "is" }, use);
    }
    if (tokensNeeded(layout) <= this.limit) return undefined;
    return overflowOf(layout, { held: this.limit, trained: Number.POSITIVE_INFINITY, apart: "is" }, use);
  }

  /** Cells go into the cache as they come, so that only those that memory keeps anyway exist twice. */
  async fill(context: NativeContext, trunk: Trunk, options: FillOptions): Promise<void> {
    const { addon } = this.#engine.model.library;
    const { prefix, documents } = trunk as IndependentTrunk;
    const { signal, held, write } = options;
    const standing = (held as IndependentTrunk | undefined)?.prefix;
    await callNative(addon, signal, async (cancellation) => {
      if (standing && sameTokens(standing, prefix)) return context.rollback(prefix.length);
      context.rollback(0);
      await context.prefill(prefix, cancellation);
    });
    const copies = new Map<string, number>();
    for (const { key } of documents) copies.set(key, (copies.get(key) ?? 0) + 1);
    for await (const [key, state] of this.#cellsOf(trunk as IndependentTrunk, options)) {
      await write?.(state);
      await callNative(addon, signal, () => context.putDocuments(Array(copies.get(key)).fill(state)));
    }
  }

  keysOf(trunk: Trunk): string[] {
    return [...differentOf(trunk as IndependentTrunk).keys()];
  }

  forget(keys: ReadonlySet<string>): void {
    this.#store.forget(keys);
    for (const [name, laid] of this.#laidOut) if (keys.has(laid.key)) this.#forgetLaidOut(name, laid);
  }

  /**
   * Cells of documents in their order: from where they were saved, else from memory, else read. A part of what was saved may
   * come from memory.
   */
  async *#cellsOf(
    trunk: IndependentTrunk,
    { saved, write, ...options }: FillOptions,
  ): AsyncGenerator<[key: string, state: CellState]> {
    const different = differentOf(trunk);
    const isPart = saved && saved.keys.length > different.size;
    const states = isPart && this.#store.has(different.keys()) ? undefined : await saved?.open(options.signal);
    const known = new Set(states && saved!.keys);
    const others = new Map([...different].filter(([key]) => !known.has(key)));
    const read = this.#store.read(others, options, write === undefined);
    const waiting = [...others.keys()];
    const readUpTo = async function* (end: string | undefined): AsyncGenerator<[string, CellState]> {
      while (waiting.length > 0 && (end === undefined || waiting[0]! < end)) {
        const { value } = await read.next();
        yield [waiting.shift()!, value as CellState];
      }
    };
    let count = 0;
    for await (const state of states ?? []) {
      const key = saved!.keys[count++];
      if (key === undefined) throw otherCells();
      const document = different.get(key);
      if (!document) continue;
      if (state.cells !== document.tokens.length) throw otherCells();
      yield* readUpTo(key);
      yield [key, state];
    }
    if (states && count < saved!.keys.length) throw otherCells();
    yield* readUpTo(undefined);
    // To its end, where the last progress is reported.
    await read.next();
  }

  async #layOutLone(document: PromptDocument, signal: AbortSignal | undefined): Promise<LoneDocument> {
    const name = JSON.stringify([document.title ?? null, document.text]);
    const known = this.#laidOut.get(name);
    const laid =
      known ??
      (await layOutLoneDocument((pieces) => tokenize(this.#engine, pieces, signal), this.#engine.profile, document));
    if (known) this.#laidOut.delete(name);
    else this.#laidOutBytes += bytesOf(name, laid);
    this.#laidOut.set(name, laid);
    for (const [oldest, unused] of this.#laidOut) {
      if (this.#laidOutBytes <= MAX_LAID_OUT_BYTES) break;
      this.#forgetLaidOut(oldest, unused);
    }
    return laid;
  }

  #forgetLaidOut(name: string, laid: LoneDocument): void {
    this.#laidOut.delete(name);
    this.#laidOutBytes -= bytesOf(name, laid);
  }
}

/** By their keys, in the order of these. */
function differentOf({ documents }: IndependentTrunk): Map<string, LoneDocument> {
  return new Map(documents.map((document) => [document.key, document]));
}

/** About the bytes of a laid-out document: two per character of its name, and its tokens with their offsets. */
function bytesOf(name: string, { tokens, prefix, offsets, text }: LoneDocument): number {
  return 2 * name.length + tokens.byteLength + prefix.byteLength + offsets.byteLength + text.byteLength;
}
