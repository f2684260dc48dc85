import type { Command } from "commander";
import type { RetrieveResult } from "../../answering/retrieve.ts";
import type { ChunkUnit } from "../../chunking/chunk.ts";
import { InputError } from "../../errors.ts";
import { RETRIEVING } from "../../options/answering.ts";
import { INPUTS, OUTPUTS, RETRIEVAL_FORMATS } from "../../options/command-line.ts";
import { CHUNKING, chunkTokens, neighbours } from "../../options/texts.ts";
import type { FusionOptions } from "../../ranking/fusion.ts";
import { QRRetriever } from "../../retriever.ts";
import { fuseOption } from "../fuse-option.ts";
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
import { note, oneLine, print, printJson, printText, warn } from "../output.ts";
import { progressBar } from "../progress.ts";
import { askedOf, type QueryFlags, queryOf } from "../query.ts";
import { belowOf, chunksOf, irrelevantOf, openKept, placeOf, readKept, sourceList } from "../retrieving.ts";
import { decimalsFor } from "../table.ts";

type Format = (typeof RETRIEVAL_FORMATS)[number];
type RetrieveFlags = CommonFlags &
  QueryFlags &
  ModelFlags & {
    heads?: string;
    index?: string;
    candidates?: number;
    fuse?: FusionOptions;
    layout?: "listwise" | "independent";
    topK?: number;
    threshold?: number;
    budget?: number;
    chunkBy?: ChunkUnit;
    chunkSize?: number;
    neighbours?: number;
    format?: Format;
    json?: boolean;
  };

const HELP = {
  everyday: ["--query", "--model", "--top-k", "--budget", "--index", "--format", "--json"],
  examples: [
    'qrhead retrieve "who keeps the keys" notes/',
    'qrhead retrieve "who keeps the keys" --index notes.index --budget 2000 --format text',
    'qrhead retrieve "who keeps the keys" --index notes.index --json',
  ],
  details: `
Files are read as by ask, and cut into chunks. If there are more than --candidates, BM25 chooses those that the heads rank.

Formats: full prints the chunks and where they are from, text the chunks alone, to put into a prompt, ids FILE:LINE, tsv
number, score, FILE:LINE and text, json one object, with messages for a chat.`,
};

/** `qrhead retrieve`: the chunks to answer a question from. */
export function registerRetrieve(program: Command): void {
  const command = program.command("retrieve").description("find the passages that answer a question");
  command
    .argument("[question]", "the question")
    .argument("[files...]", "files, folders and patterns; or standard input");
  const { layout, topK, threshold, budgetTokens, candidates } = RETRIEVING;
  addOptions(command, [INPUTS.query, INPUTS.queryFile, INPUTS.docs, INPUTS.index]);
  addHeadsOption(addModelOptions(command)).addOption(fuseOption());
  addOptions(command, [topK, threshold, { ...budgetTokens, shortDefault: "no limit" }, candidates, layout]);
  addOptions(command, [CHUNKING.by, chunkTokens, neighbours]);
  const format = { ...OUTPUTS.format, choices: RETRIEVAL_FORMATS, shortDefault: "full" };
  addOptions(command, [format, OUTPUTS.json]);
  addHelp(addCommonOptions(command), HELP).action(retrieve);
}

async function retrieve(question: string | undefined, files: string[], _: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<RetrieveFlags>();
  const { json, quiet = false } = flags;
  if (json && flags.format !== undefined && flags.format !== "json") {
    throw new InputError("INVALID_ARGUMENT", `Expected --json or --format ${flags.format} but received both`);
  }
  const signal = interruptSignal();
  const asked = askedOf([...(question === undefined ? [] : [question]), ...files], flags);
  const query = await queryOf(flags, signal, asked.query);
  await using kept = await openKept(flags.index, signal);
  const from = kept ?? (await readKept(asked.files, signal));
  const bar = await progressBar(quiet);
  try {
    const { onProgress } = bar;
    const { topK, threshold, candidates, chunkBy, chunkSize, layout, fuse } = flags;
    await using retriever = await QRRetriever.load({ ...toLoadOptions(flags), signal, onProgress });
    const result = await retriever.retrieve(query, from, {
      ...{ topK, threshold, candidates, layout, signal, onProgress, budgetTokens: flags.budget, fuse: fuse?.fuse },
      ...{ neighbours: flags.neighbours, chunkTokens: chunkSize, chunk: chunkBy && { by: chunkBy } },
    });
    bar.stop();
    show(result, query, json ? "json" : (flags.format ?? "full"));
    for (const warning of result.warnings) warn(warning);
    if (!quiet && !json && flags.format === undefined) note(footer(result));
  } finally {
    bar.stop();
  }
}

function show(result: RetrieveResult, query: string, format: Format): void {
  const { text, sources } = result;
  if (format === "json") printJson({ query, ...result });
  else if (sources.length === 0) return;
  else if (format === "text") printText(text);
  else if (format === "full") print(`${text}\n\nSources:\n${sourceList(sources)}`);
  else printText(linesOf(result, format).join("\n"));
}

function linesOf({ sources }: RetrieveResult, format: "ids" | "tsv"): string[] {
  const decimals = decimalsFor(sources.map(({ score }) => score));
  return sources.map((source) => {
    const place = placeOf(source);
    if (format === "ids") return place;
    const shown = oneLine([source.title, source.text].filter(Boolean).join(" · "));
    return [source.citation, source.score.toFixed(decimals), place, shown].join("\t");
  });
}

function footer({ sources, usage, timings, belowThreshold }: RetrieveResult): string {
  return [
    chunksOf(sources, usage),
    ...irrelevantOf(usage),
    ...belowOf(belowThreshold),
    `${(timings.totalMs / 1000).toFixed(1)} s`,
  ].join(" · ");
}
