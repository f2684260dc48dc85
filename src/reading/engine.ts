import type { ResolvedHeads } from "../heads/spec.ts";
import type { LoadedModel } from "../model/model.ts";
import type { NativeContextOptions, Tokenization } from "../native/addon-types.ts";
import { callNative } from "../native/call.ts";
import { hasGpu } from "../native/library.ts";
import type { LoadOptions, Progress } from "../options.ts";
import type { PromptPiece } from "../prompt/build.ts";
import type { PromptUse } from "../prompt/overflow.ts";
import type { PromptProfile } from "../prompt/profiles.ts";
import type { Head } from "../types.ts";
import { defaultThreads } from "../util/threads.ts";

/** A loaded model with its heads and its prompt: what all calls share and none changes. */
export type Engine = { model: LoadedModel; heads: ResolvedHeads; profile: PromptProfile; options: LoadOptions };

export type CallOptions = {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
  /** What the prompt is for: what an error then advises. */
  use?: PromptUse | undefined;
};

/** Tokenizes pieces of prompt, of which special ones may hold special tokens. */
export function tokenize({ model }: Engine, pieces: PromptPiece[], signal?: AbortSignal): Promise<Tokenization> {
  const { library, native } = model;
  return callNative(library.addon, signal, (cancellation) => native.tokenize(pieces, cancellation));
}

/** What the addon makes a context from. */
export function contextOptions(
  options: LoadOptions,
  heads: readonly Head[],
  contextSize: number,
): NativeContextOptions {
  return {
    contextSize,
    batchSize: batchSizeOf(options),
    threads: options.threads ?? defaultThreads(),
    cacheTypeK: options.cacheTypeK ?? "f16",
    cacheTypeV: options.cacheTypeV ?? "f16",
    flashAttention: options.flashAttention ?? true,
    offloadKqv: options.gpu !== false && options.gpuLayers !== 0,
    heads: Int32Array.from(heads.flat()),
    earlyStop: options.earlyStop ?? true,
  };
}

/** Tokens of one forward pass. */
export function batchSizeOf({ batchSize = 512 }: LoadOptions): number {
  return batchSize;
}

/** Tokens that the model was trained for; infinite where it does not say. */
export function trainedFor({ model }: Engine): number {
  return model.info.trainContextSize || Number.POSITIVE_INFINITY;
}

/** Whether llama.cpp can copy all cells of a cache: it does not for a sliding window. */
export function givesCells({ model }: Engine): boolean {
  return model.info.slidingWindow <= 0;
}

/** Whether a document of so many tokens can be read by itself: llama.cpp copies no cells from before a sliding window. */
export function canStandAlone({ model }: Engine, tokens: number): boolean {
  const { slidingWindow, architecture } = model.info;
  return slidingWindow <= 0 || (architecture !== "llama4" && tokens < slidingWindow);
}

/** Threads of the passes, and the processor time that this process used meanwhile, in milliseconds. */
export type Processors = { threads: number; cpuMs: number };

/** Begins to measure. The returned function gives the times for a share of the passes, and nothing if a GPU computes. */
export function meterProcessors({
  model: { library },
  options,
}: Engine): (threads: number, share: number) => Partial<Processors> {
  const began = process.cpuUsage();
  const isGpu = options.gpu !== false && options.gpuLayers !== 0 && hasGpu(library.info);
  return (threads, share) => {
    const { user, system } = process.cpuUsage(began);
    return isGpu ? {} : { threads, cpuMs: (share * (user + system)) / 1000 };
  };
}
