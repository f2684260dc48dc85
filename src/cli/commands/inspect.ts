import type { Command } from "commander";
import { InputError } from "../../errors.ts";
import { shortSight } from "../../heads/local.ts";
import { inspectionPage } from "../../inspect/page.ts";
import { INPUTS, OUTPUTS } from "../../options/command-line.ts";
import { QRRetriever } from "../../retriever.ts";
import { assertWritable, writeWhole } from "../../util/output-file.ts";
import { addHelp } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { modelLabel } from "../model-label.ts";
import {
  addCommonOptions,
  addHeadsOption,
  addModelOptions,
  addOptions,
  addRankOptions,
  type CommonFlags,
  type ModelFlags,
  type RankFlags,
  toLoadOptions,
  toRankLoadOptions,
} from "../options.ts";
import { note, oneLine, printJson, warn } from "../output.ts";
import { progressBar } from "../progress.ts";
import { askedOf, type QueryFlags, queryOf } from "../query.ts";
import { cutSources, readSources, type SourceFlags, toRankDocuments } from "../sources.ts";

type InspectFlags = CommonFlags &
  QueryFlags &
  SourceFlags &
  ModelFlags &
  RankFlags & { heads?: string; output?: string; force?: boolean; json?: boolean };

const HELP = {
  everyday: ["--query", "--model", "--output", "--heads", "--force", "--json"],
  examples: [
    'qrhead inspect "why is the sky blue" notes.jsonl -o why.html',
    'qrhead inspect "why is the sky blue" notes.jsonl --json > why.json',
  ],
  details: `
The page needs no network. It shows one prompt: pass as many documents as the context holds. Files are read as by rerank.
--json prints the attention of every head on every token, with or without a page.`,
};

/** `qrhead inspect`: a page that shows which tokens got the query's attention. */
export function registerInspect(program: Command): void {
  const command = program.command("inspect").description("write a page that shows where the attention goes");
  command
    .argument("[question]", "the question")
    .argument("[files...]", "files, folders and patterns; or standard input");
  const { query, queryFile, docs, docsFormat, split } = INPUTS;
  const output = { ...OUTPUTS.output, flagSays: "page to write, .html" };
  addOptions(command, [query, queryFile, docs, docsFormat, split, output, OUTPUTS.force, OUTPUTS.json]);
  addRankOptions(addHeadsOption(addModelOptions(command)), false);
  addHelp(addCommonOptions(command), HELP).action(inspect);
}

async function inspect(question: string | undefined, files: string[], _: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<InspectFlags>();
  const { output, force = false, quiet = false, json = false } = flags;
  if (output === undefined && !json) {
    throw new InputError("INVALID_ARGUMENT", "Expected --output OUT (page to write, .html) or --json");
  }
  if (output !== undefined) await assertWritable(output, force);
  const signal = interruptSignal();
  const asked = askedOf([...(question === undefined ? [] : [question]), ...files], flags);
  const query = await queryOf(flags, signal, asked.query);
  const given = await readSources(asked.files, flags, signal);
  const bar = await progressBar(quiet);
  try {
    const { onProgress } = bar;
    await using retriever = await QRRetriever.load({
      ...toLoadOptions(flags),
      ...toRankLoadOptions(flags),
      signal,
      onProgress,
    });
    const documents = toRankDocuments(await cutSources(retriever, given, { signal }));
    const inspection = await retriever.inspect(query, documents, { signal, onProgress });
    const { model, headSet, heads } = retriever;
    const tokens = inspection.documents.reduce((sum, document) => sum + document.tokens.length, 0);
    const short = shortSight(heads, model, tokens);
    if (short !== null) warn(short);
    if (output !== undefined) {
      await writeWhole(output, inspectionPage(inspection, { name: modelLabel(model), headSet }), { force });
    }
    bar.stop();
    if (json) {
      const { path, name, architecture, layers, heads: perLayer } = model;
      printJson({ model: { path, name, architecture, layers, heads: perLayer }, headSet, ...inspection });
    } else for (const warning of inspection.warnings) warn(warning);
    if (output !== undefined && !quiet) note(`Wrote ${oneLine(output)}: open it in a browser`);
  } finally {
    bar.stop();
  }
}
