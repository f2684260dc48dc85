import { stat } from "node:fs/promises";
import type { Command } from "commander";
import { BUILT_IN_MODEL, findBaseModel } from "../../model/built-in.ts";
import { CATALOGUE } from "../../model/catalogue.ts";
import { pullModel } from "../../model/pull.ts";
import { listPulled, modelsFolder, removePulled } from "../../model/store.ts";
import { OUTPUTS, PULLING } from "../../options/command-line.ts";
import { addHelp } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { addCommonOptions, addOptions, type CommonFlags } from "../options.ts";
import { note, oneLine, print, printJson } from "../output.ts";
import { progressBar } from "../progress.ts";
import { plainTable } from "../table.ts";

type ModelsFlags = CommonFlags & { json?: boolean; force?: boolean; sha256?: string };

const HELP = {
  examples: ["qrhead models list", "qrhead models pull llama-3.2-3b", "qrhead models rm Llama-3.2-3B-Instruct-Q4_K_M"],
  details: `
Models are in the folder QRHEAD_MODELS, else in the system's folder for application data. HF_TOKEN is sent only to
Hugging Face; HF_ENDPOINT names a mirror.`,
};

/** `qrhead models`: which models are here, and fetching and removing them. */
export function registerModels(program: Command): void {
  const models = program.command("models").description("list, download and remove models");
  addHelp(models, HELP);
  const listing = models.command("list").description("list the built-in model and pulled models");
  addCommonOptions(addOptions(listing, [{ ...OUTPUTS.json, says: "print one JSON array" }])).action(list);
  const pulling = models.command("pull").description("download a model; an interrupted download resumes");
  pulling.argument("<model>", `${Object.keys(CATALOGUE).join(", ")}, hf:OWNER/REPOSITORY/FILE.gguf or an https URL`);
  addOptions(pulling, [PULLING.sha256, { ...OUTPUTS.force, says: "download it again if it exists" }, OUTPUTS.json]);
  addHelp(addCommonOptions(pulling), { examples: [HELP.examples[1]!], details: HELP.details }).action(pull);
  const removing = models
    .command("rm")
    .description("remove a pulled model")
    .argument("<name>", "its name in models list");
  addCommonOptions(removing).action(remove);
}

async function list(_: unknown, command: Command): Promise<void> {
  const base = findBaseModel();
  const builtIn = [
    ...(base === undefined ? [] : [{ name: "base", file: base }]),
    { name: "mini", file: BUILT_IN_MODEL },
  ];
  const sized = builtIn.map(async (model) => ({ ...model, bytes: (await stat(model.file)).size }));
  const all = [...(await Promise.all(sized)), ...(await listPulled())];
  if (command.optsWithGlobals<ModelsFlags>().json) return printJson(all);
  const rows = all.map(({ name, file, bytes }) => [oneLine(name), megabytes(bytes), oneLine(file)]);
  print(plainTable(["Name", "MB", "File"], rows, [], [1]));
  if (all.length === builtIn.length)
    note(`No model was pulled into ${modelsFolder()}: qrhead models pull NAME fetches one`);
}

async function pull(spec: string, _: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<ModelsFlags>();
  const signal = interruptSignal();
  const bar = await progressBar(flags.quiet ?? false);
  try {
    const { sha256, force } = flags;
    const found = await pullModel(spec, { sha256, force, signal, onProgress: bar.onProgress });
    bar.stop();
    if (flags.json) return printJson(found);
    print(`${oneLine(found.file)}: ${megabytes(found.bytes)} MB${found.fetched ? "" : ", which was there"}`);
    if (found.sha256 && !flags.quiet) note(`SHA-256 ${found.sha256}`);
    if (!flags.quiet) note(`\nNext: qrhead rerank -m ${oneLine(found.name)} "…" FILE`);
  } finally {
    bar.stop();
  }
}

async function remove(name: string): Promise<void> {
  print(`Removed ${oneLine(await removePulled(name))}`);
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0);
}
