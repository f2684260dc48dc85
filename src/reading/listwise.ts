import type { ContextOverflowError } from "../errors.ts";
import type { NativeContext } from "../native/addon-types.ts";
import { callNative, reporter } from "../native/call.ts";
import type { PromptDocument } from "../prompt/build.ts";
import { layOutTrunk, type PromptLayout, type Trunk, tokensNeeded } from "../prompt/layout.ts";
import { overflowOf, type PromptUse } from "../prompt/overflow.ts";
import { largestOf } from "../util/extremes.ts";
import { canStandAlone, type Engine, givesCells, tokenize, trainedFor } from "./engine.ts";
import { type FillOptions, type Layout, otherCells } from "./layout.ts";

/**
 * Documents stand in one prompt, numbered, and each sees those before it: the published setting.
 *
 * A cache is reused only for the same list of documents. Reusing a part would split the ubatches differently, so the last digits
 * of scores would depend on earlier calls. llama.cpp copies no cells of models with a sliding window, so these documents are
 * read again.
 */
export class ListwiseLayout implements Layout {
  readonly name = "listwise";
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get limit(): number {
    return this.#engine.options.contextSize ?? trainedFor(this.#engine);
  }

  layOut(documents: readonly PromptDocument[], signal?: AbortSignal): Promise<Trunk> {
    return layOutTrunk((pieces) => tokenize(this.#engine, pieces, signal), this.#engine.profile, documents);
  }

  overflow(layout: PromptLayout, use?: PromptUse): ContextOverflowError | undefined {
    if (tokensNeeded(layout) <= this.limit) return undefined;
    const longest = largestOf(layout.trunk.documentSpans.map(([begin, end]) => end - begin));
    const apart = canStandAlone(this.#engine, longest) ? "could" : "never";
    return overflowOf(layout, { held: this.limit, trained: trainedFor(this.#engine), apart }, use);
  }

  async fill(
    context: NativeContext,
    { key, tokens }: Trunk,
    { signal, onProgress, saved }: FillOptions,
  ): Promise<void> {
    const { addon } = this.#engine.model.library;
    let restored = 0;
    for await (const state of (await saved?.open(signal)) ?? []) {
      if (saved!.keys[restored++] !== key || state.cells !== tokens.length) throw otherCells();
      await callNative(addon, signal, () => context.loadCells(state));
    }
    if (restored > 0) return;
    const { report, finish } = reporter(onProgress, "prefill", tokens.length);
    await callNative(addon, signal, (cancellation, guard) => {
      context.rollback(0);
      return context.prefill(tokens, cancellation, onProgress && guard(report));
    });
    finish();
  }

  keysOf({ key }: Trunk): string[] {
    return givesCells(this.#engine) ? [key] : [];
  }

  forget(): void {}
}
