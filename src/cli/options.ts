import { type Command, Option } from "commander";
import { CACHE_TYPES, GPU_NAMES, type LoadOptions, type ScoringOptions } from "../options.ts";
import { PROMPT_NAMES, type PromptName } from "../prompt/profiles.ts";
import { MERGE_RULES, type MergeRule } from "../ranking/windows/options.ts";
import { wrongOption } from "./failure.ts";

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

/** An option whose value is an integer within bounds. */
export function integerOption(flags: string, description: string, min: number, max: number): Option {
  const flag = flags.split(" ")[0]!;
  const expected = max === 2 ** 31 ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`;
  return new Option(flags, description).argParser((text) => {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) throw wrongOption(flag, expected, text);
    return value;
  });
}

/** An option whose value is a number that `accepts` takes. */
export function numberOption(
  flags: string,
  description: string,
  expected: string,
  accepts: (value: number) => boolean,
) {
  const flag = flags.split(" ")[0]!;
  return new Option(flags, description).argParser((text) => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    if (!(Number.isFinite(value) && accepts(value))) throw wrongOption(flag, expected, text);
    return value;
  });
}

/** An option whose value is one of a few words. */
export function choiceOption(flags: string, description: string, choices: readonly string[]): Option {
  const flag = flags.split(" ")[0]!;
  return new Option(flags, `${description}: ${choices.join(", ")}`).argParser((text) => {
    if (!choices.includes(text)) throw wrongOption(flag, `one of ${choices.join(", ")}`, text);
    return text;
  });
}

/** An option whose value is any text that is not blank. */
export function textOption(flags: string, description: string, expected: string): Option {
  const flag = flags.split(/[ ,]/).find((part) => part.startsWith("--")) ?? flags;
  return new Option(flags, description).argParser((text) => {
    if (text.trim() === "") throw wrongOption(flag, expected, text);
    return text;
  });
}

/** Adds options below a heading of their own in --help. */
function addGroup(command: Command, heading: string, options: readonly Option[]): Command {
  for (const option of options) command.addOption(option.helpGroup(heading));
  return command;
}

export function addCommonOptions(command: Command): Command {
  return command
    .addOption(new Option("--quiet", "no progress bar and no footer; warnings stay"))
    .addOption(new Option("--verbose", "show the stack and the causes of an error"));
}

export function addModelOptions(command: Command): Command {
  return addGroup(addDeviceOptions(command), "Model:", [
    new Option("--check", "load and try the model in a process of its own first"),
  ]);
}

export function addDeviceOptions(command: Command): Command {
  return addGroup(command, "Model:", [
    textOption(
      "--model <M>",
      "mini, base (the package qrhead-base), the path of a GGUF, or an hf: URI (default: mini)",
      "base, mini, a path or an hf: URI",
    ),
    choiceOption("--gpu <WHICH>", "build of llama.cpp (default: auto)", GPU_NAMES),
    integerOption("--gpu-layers <N>", "layers to put on the GPU (default: all)", 0, 2 ** 20),
    integerOption("--threads <N>", "CPU threads (default: the processors that are free, at most 8)", 1, 512),
    textOption("--library <DIR>", "folder of another llama.cpp build of the same release", "a folder"),
  ]);
}

export function addHeadsOption(command: Command): Command {
  return command.addOption(
    textOption(
      "--heads <SPEC>",
      "auto, all, random:N:SEED, 13-18,13-21,…, a published set's name, or a head-set file (default: auto)",
      "heads such as auto, all, 13-18,13-21 or a file",
    ),
  );
}

export function addPromptOptions(command: Command): Command {
  return addGroup(command, "Prompt and scores:", [
    choiceOption("--prompt <NAME>", "prompt format (default: auto)", PROMPT_NAMES),
    textOption("--null-query <TEXT>", "query that calibrates (default: N/A)", "a text that is not blank"),
  ]);
}

/** The options of `PassFlags`; without `--max-document-tokens` where documents are read whole. */
export function addPassOptions(command: Command, reads: "whole" | "cut" = "cut"): Command {
  const cut = "cut each document's text, and a longer title, after this many tokens (default: no limit)";
  return addGroup(command, "Forward passes:", [
    ...(reads === "cut" ? [integerOption("--max-document-tokens <N>", cut, 1, 2 ** 31)] : []),
    integerOption("--context-size <N>", "tokens that a prompt may have (default: as needed)", 16, 2 ** 27),
    integerOption("--batch-size <N>", "tokens of one forward pass (default: 512)", 1, 16384),
    choiceOption("--cache-type-k <TYPE>", "type of the K cache (default: f16)", CACHE_TYPES),
    choiceOption("--cache-type-v <TYPE>", "type of the V cache (default: f16)", CACHE_TYPES),
    new Option("--no-flash-attention", "read attention from the slower path"),
  ]);
}

/** @param layouts False where a command shows or needs one prompt of all documents. */
export function addRankOptions(command: Command, layouts = true): Command {
  const layout = "documents in one prompt, or each by itself (default: listwise)";
  addGroup(addPromptOptions(command), "Prompt and scores:", [
    new Option("--no-calibration", "do not subtract the null query's attention"),
    new Option("--no-mask", "keep outlier tokens"),
    new Option("--no-weights", "count every head alike, also where the head set has weights"),
    choiceOption("--order <ORDER>", "order of the documents in the prompt (default: given)", ["given", "reverse"]),
    ...(layouts ? [choiceOption("--layout <NAME>", layout, ["listwise", "independent"])] : []),
  ]);
  return addPassOptions(command);
}

export function addWindowOptions(command: Command): Command {
  const when = "rank in windows what does not fit one prompt (default: auto)";
  return addGroup(command, "Windows:", [
    choiceOption("--windows <WHEN>", when, ["auto", "never"]),
    integerOption("--window-size <N>", "tokens of a window (default: what the context holds)", 16, 2 ** 27),
    integerOption("--window-documents <N>", "documents of a window (default: what fits)", 2, 2 ** 31),
    choiceOption("--merge <RULE>", "how windows become one ranking (default: tournament)", MERGE_RULES),
  ]);
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
  const { model, gpu, gpuLayers, threads, library, heads, check } = flags;
  return {
    model,
    heads,
    gpu: gpu === "false" ? false : (gpu as LoadOptions["gpu"]),
    gpuLayers,
    threads,
    libraryDirectory: library,
    ...(check === true && { check: "process" as const }),
  };
}

export function toPassOptions(flags: PassFlags) {
  const { maxDocumentTokens, contextSize, batchSize, cacheTypeK, cacheTypeV, flashAttention } = flags;
  return { maxDocumentTokens, contextSize, batchSize, cacheTypeK, cacheTypeV, flashAttention };
}

export function toRankLoadOptions(flags: RankFlags): LoadOptions & ScoringOptions {
  const { prompt, nullQuery, calibration, mask, weights, order, layout } = flags;
  return { prompt, nullQuery, calibration, mask, weights, order, layout, ...toPassOptions(flags) };
}
