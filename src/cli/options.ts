import type { Command } from "commander";
import type { CACHE_TYPES } from "../options/choices.ts";
import { COMMON } from "../options/command-line.ts";
import { DEVICE, heads, LOADING, model, PASS, prompt } from "../options/model.ts";
import { maxDocumentTokens, nullQuery, SCORING, WINDOWS } from "../options/ranking.ts";
import type { OptionSet, OptionSpec } from "../options/spec.ts";
import type { LoadOptions, ScoringOptions } from "../options.ts";
import type { PromptName } from "../prompt/profiles.ts";
import type { MergeRule } from "../ranking/windows/options.ts";
import { wrongOption } from "./failure.ts";
import { flagOption } from "./flags.ts";

/** Options of every command. */
export type CommonFlags = { verbose?: boolean; quiet?: boolean };

/** Options that say which model runs, and where. */
export type ModelFlags = {
  model?: string;
  gpu?: string;
  gpuLayers?: number;
  threads?: number;
  library?: string;
  /** A path is doctor's own option. */
  check?: boolean | string;
};

/** Options that say what stands around the documents. */
export type PromptFlags = { prompt?: PromptName; nullQuery?: string };

/** Options of the forward passes: their sizes and types. */
export type PassFlags = {
  maxDocumentTokens?: number;
  contextSize?: number;
  batchSize?: number;
  cacheTypeK?: (typeof CACHE_TYPES)[number];
  cacheTypeV?: (typeof CACHE_TYPES)[number];
  flashAttention: boolean;
};

/** Options that say how documents become a prompt and a prompt becomes scores. */
export type RankFlags = PromptFlags &
  PassFlags & {
    calibration: boolean;
    mask: boolean;
    weights: boolean;
    order?: "given" | "reverse";
    layout?: "listwise" | "independent";
  };

/** Options that say what happens when the documents do not fit one prompt. */
export type WindowFlags = {
  windows?: "auto" | "never";
  windowSize?: number;
  windowDocuments?: number;
  merge?: MergeRule;
};

/** The options of a set that the command line has. */
export function withFlag(set: OptionSet): OptionSpec[] {
  return Object.values(set).filter(({ flag }) => flag !== undefined);
}

/** Adds options of the registry to a command. */
export function addOptions(command: Command, specs: readonly OptionSpec[]): Command {
  for (const spec of specs) command.addOption(flagOption(spec));
  return command;
}

export function addCommonOptions(command: Command): Command {
  return addOptions(command, Object.values(COMMON));
}

export function addModelOptions(command: Command): Command {
  return addOptions(addDeviceOptions(command), [LOADING.check]);
}

export function addDeviceOptions(command: Command): Command {
  return addOptions(command, [model, ...Object.values(DEVICE)]);
}

export function addHeadsOption(command: Command): Command {
  return addOptions(command, [heads]);
}

export function addPromptOptions(command: Command): Command {
  return addOptions(command, [prompt, nullQuery]);
}

/** The options of `PassFlags`; without `--max-document-tokens` where documents are read whole. */
export function addPassOptions(command: Command, reads: "whole" | "cut" = "cut"): Command {
  return addOptions(command, [...(reads === "cut" ? [maxDocumentTokens] : []), ...Object.values(PASS)]);
}

/** @param layouts False where a command shows or needs one prompt of all documents. */
export function addRankOptions(command: Command, layouts = true): Command {
  const { calibration, mask, weights, order, layout } = SCORING;
  addOptions(addPromptOptions(command), [calibration, mask, weights, order, ...(layouts ? [layout] : [])]);
  return addPassOptions(command);
}

export function addWindowOptions(command: Command): Command {
  return addOptions(command, [SCORING.windows, WINDOWS.windowTokens, WINDOWS.windowDocuments, WINDOWS.merge]);
}

/** @throws InputError when windows are forbidden and described at once. */
export function toWindowOptions(flags: WindowFlags): Pick<LoadOptions, "windows"> {
  const { windows, windowSize, windowDocuments, merge } = flags;
  if (windowSize === undefined && windowDocuments === undefined && merge === undefined) return { windows };
  if (windows === "never")
    throw wrongOption("--windows", "auto beside --window-size, --window-documents or --merge", windows);
  return { windows: { windowTokens: windowSize, windowDocuments, merge } };
}

/** The library's options for these flags. */
export function toLoadOptions(flags: ModelFlags & { heads?: string }): LoadOptions {
  const { model: file, gpu, gpuLayers, threads, library, heads: spec, check } = flags;
  return {
    model: file,
    heads: spec,
    gpu: gpu === "false" ? false : (gpu as LoadOptions["gpu"]),
    gpuLayers,
    threads,
    libraryDirectory: library,
    ...(check === true && { check: "process" as const }),
  };
}

export function toPassOptions(flags: PassFlags) {
  const { maxDocumentTokens: most, contextSize, batchSize, cacheTypeK, cacheTypeV, flashAttention } = flags;
  return { maxDocumentTokens: most, contextSize, batchSize, cacheTypeK, cacheTypeV, flashAttention };
}

export function toRankLoadOptions(flags: RankFlags): LoadOptions & ScoringOptions {
  const { prompt: format, nullQuery: query, calibration, mask, weights, order, layout } = flags;
  return { prompt: format, nullQuery: query, calibration, mask, weights, order, layout, ...toPassOptions(flags) };
}
