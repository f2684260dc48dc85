import type { Command } from "commander";
import { InputError } from "../../errors.ts";
import { shortSight } from "../../heads/local.ts";
import { inspectionPage } from "../../inspect/page.ts";
import { QRRetriever } from "../../retriever.ts";
import { assertWritable, writeWhole } from "../../util/output-file.ts";
import { addFormatOption, type FormatFlags, readDocuments } from "../input.ts";
import { interruptSignal } from "../interrupt.ts";
import {
  addCommonOptions,
  addHeadsOption,
  addModelOptions,
  addRankOptions,
  type CommonFlags,
  type ModelFlags,
  type RankFlags,
  textOption,
  toLoadOptions,
  toRankLoadOptions,
} from "../options.ts";
import { note, oneLine, warn } from "../output.ts";
import { progressBar } from "../progress.ts";
import { queryOf } from "../query.ts";

type InspectFlags = CommonFlags &
  FormatFlags &
  ModelFlags &
  RankFlags & { heads?: string; query?: string; queryFile?: string; docs?: string; output?: string; force?: boolean };

const EXAMPLES = `
The page needs no network. It shows one prompt: pass as many documents as the context holds.

Examples:
  $ qrhead inspect --query "why is the sky blue" --docs notes.jsonl -o why.html`;

/** `qrhead inspect`: a page that shows which tokens got the query's attention. */
export function registerInspect(program: Command): void {
  const command = program.command("inspect").description("write a page that shows where the attention goes");
  command
    .addOption(textOption("--query <Q>", "the query", "a text that is not blank"))
    .option("--query-file <FILE>", "file that holds the query")
    .option("--docs <FILE>", "documents file, - for standard input")
    .addOption(textOption("-o, --output <OUT>", "page to write", "a path"))
    .option("--force", "replace the file if it exists");
  addFormatOption(command);
  addRankOptions(addHeadsOption(addModelOptions(command)), false);
  addCommonOptions(command).addHelpText("after", EXAMPLES).action(inspect);
}

async function inspect(_: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<InspectFlags>();
  const { docs, output, force = false, quiet = false } = flags;
  if (docs === undefined) throw new InputError("INVALID_ARGUMENT", "Expected documents: pass --docs FILE, or --docs -");
  if (output === undefined) throw new InputError("INVALID_ARGUMENT", "Expected an output: pass -o FILE.html");
  await assertWritable(output, force);
  const signal = interruptSignal();
  const query = await queryOf(flags, signal);
  const documents = await readDocuments(docs, "Documents file", flags, signal);
  const bar = await progressBar(quiet);
  try {
    const { onProgress } = bar;
    await using retriever = await QRRetriever.load({
      ...toLoadOptions(flags),
      ...toRankLoadOptions(flags),
      signal,
      onProgress,
    });
    const inspection = await retriever.inspect(query, documents, { signal, onProgress });
    const { model, headSet, heads } = retriever;
    const tokens = inspection.documents.reduce((sum, document) => sum + document.tokens.length, 0);
    const short = shortSight(heads, model, tokens);
    if (short !== null) warn(short);
    await writeWhole(output, inspectionPage(inspection, { name: model.name, headSet }), { force });
    bar.stop();
    for (const warning of inspection.warnings) warn(warning);
    if (!quiet) note(`Wrote ${oneLine(output)}: open it in a browser`);
  } finally {
    bar.stop();
  }
}
