import type { Command } from "commander";
import { headKey } from "../../heads/heads.ts";
import { type SlimResult, slimModel } from "../../model/slim.ts";
import { OUTPUTS } from "../../options/command-line.ts";
import { QRRetriever } from "../../retriever.ts";
import { addHelp } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import {
  addCommonOptions,
  addHeadsOption,
  addModelOptions,
  addOptions,
  type CommonFlags,
  type ModelFlags,
  toLoadOptions,
} from "../options.ts";
import { note, oneLine, print, printJson } from "../output.ts";
import { progressBar } from "../progress.ts";

type SlimFlags = CommonFlags &
  ModelFlags & { heads?: string; output: string; force?: boolean; verify: boolean; json?: boolean };

const HELP = {
  everyday: ["--model", "--output", "--heads", "--force", "--json"],
  examples: [
    "qrhead slim -m Llama-3.1-8B-Instruct-Q4_K_M.gguf -o llama-slim.gguf",
    "qrhead slim -m my.gguf --heads my-heads.json -o my-slim.gguf --force",
  ],
  details: `
The file keeps the layers up to the deepest one that the heads need. It gives the same scores as the whole model, to the
last bit, and cannot generate text. If a model has several files, name the first.`,
};

/** `qrhead slim`: writes a model without the layers that its retrieval heads do not need. */
export function registerSlim(program: Command): void {
  const command = program.command("slim").description("write a GGUF without the layers that the heads do not need");
  const output = { ...OUTPUTS.output, flagSays: "GGUF to write", required: true };
  addOptions(addHeadsOption(addModelOptions(command)), [output, OUTPUTS.force, OUTPUTS.noVerify, OUTPUTS.json]);
  addHelp(addCommonOptions(command), HELP).action(slim);
}

async function slim(_: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<SlimFlags>();
  const { output, force, verify } = flags;
  const signal = interruptSignal();
  const bar = await progressBar(flags.quiet ?? false);
  try {
    const result = await slimModel({
      load: QRRetriever.load,
      ...toLoadOptions(flags),
      output,
      force,
      verify,
      signal,
      onProgress: bar.onProgress,
    });
    bar.stop();
    if (flags.json) return printJson({ ...result, savedPercent: savedPercent(result) });
    print(describeResult(result));
    if (!verify && !flags.quiet) note("The scores were not compared (--no-verify)");
  } finally {
    bar.stop();
  }
}

function describeResult(result: SlimResult): string {
  const { output, layers, inputLayers, inputBytes, outputBytes, heads, verified } = result;
  const deepest = heads.find(([layer]) => layer === layers - 1)!;
  return [
    oneLine(output),
    `  layers  ${layers} of ${inputLayers}: head ${headKey(deepest)} is the deepest`,
    `  size    ${mebibytes(outputBytes)} of ${mebibytes(inputBytes)} MiB, ${savedPercent(result)}% saved`,
    ...(verified ? ["  scores  the same as the whole model's, to the last bit"] : []),
  ].join("\n");
}

function savedPercent({ inputBytes, outputBytes }: SlimResult): number {
  return Math.round((1 - outputBytes / inputBytes) * 1000) / 10;
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
