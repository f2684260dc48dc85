import type { Command } from "commander";
import { InputError } from "../../errors.ts";
import type { LoadOptions } from "../../options.ts";
import type { BatchResult } from "../../ranking/rank-many.ts";
import type { RankedDocument, RankResult } from "../../ranking/results.ts";
import { QRRetriever } from "../../retriever.ts";
import type { RankDocument } from "../../types.ts";
import { openCorpus } from "../corpus-cache.ts";
import { markBestWords } from "../highlight.ts";
import { addFormatOption, type FormatFlags, readDocuments } from "../input.ts";
import { interruptSignal } from "../interrupt.ts";
import {
  addCommonOptions,
  addHeadsOption,
  addModelOptions,
  addRankOptions,
  addWindowOptions,
  type CommonFlags,
  integerOption,
  type ModelFlags,
  type RankFlags,
  textOption,
  toLoadOptions,
  toRankLoadOptions,
  toWindowOptions,
  type WindowFlags,
} from "../options.ts";
import { bold, note, oneLine, print, printJson, warn } from "../output.ts";
import { progressBar } from "../progress.ts";
import { queryOf } from "../query.ts";
import { rankingTable } from "../table.ts";

type RerankFlags = CommonFlags &
  FormatFlags &
  ModelFlags &
  RankFlags &
  WindowFlags & {
    heads?: string;
    query?: string;
    queryFile?: string;
    queries?: string;
    docs?: string;
    cache?: string;
    topK?: number;
    headScores?: boolean;
    tokenScores?: boolean;
    json?: boolean;
  };

const EXAMPLES = `
Documents: JSON Lines or a JSON array of strings or of objects with "text" (and "title", "id"), or one document per line;
--format says which where a file looks like another. UTF-8, or UTF-16 with a byte order mark, up to 256 MiB.

Examples:
  $ qrhead rerank --query "why is the sky blue" --docs notes.jsonl
  $ qrhead rerank --query "why is the sky blue" --docs notes.txt --top-k 5 --json
  $ grep -h . *.txt | qrhead rerank --query-file question.txt --docs -
  $ qrhead rerank --model Llama-3.1-8B-Instruct-Q4_K_M.gguf --query "…" --docs notes.jsonl
  $ qrhead rerank --model my.gguf --heads my-heads.json --query "…" --docs notes.jsonl
  $ qrhead rerank --queries queries.jsonl --docs notes.jsonl --json > rankings.jsonl
  $ qrhead rerank --query "…" --docs notes.jsonl --cache notes.corpus    # the next query reads notes.corpus instead`;

/** `qrhead rerank`: ranks the documents of a file for a query. */
export function registerRerank(program: Command): void {
  const command = program.command("rerank").description("rank documents for a query");
  command
    .addOption(textOption("--query <Q>", "the query", "a text that is not blank"))
    .option("--query-file <FILE>", "file that holds the query, - for standard input")
    .option("--queries <FILE>", "many queries: a file like the documents'; --json then prints a line for each")
    .option("--docs <FILE>", "documents file, - for standard input")
    .addOption(textOption("--cache <FILE>", "keep what was read of the documents in this file", "a path"));
  addHeadsOption(addModelOptions(addFormatOption(command))).addOption(
    integerOption("--top-k <N>", "print the best N only", 1, 2 ** 31),
  );
  addWindowOptions(addRankOptions(command))
    .option("--json", "print one JSON object")
    .option("--head-scores", "what each head contributes (with --json)")
    .option("--token-scores", "the score of every token (with --json); without --json, mark the words that got most");
  addCommonOptions(command).addHelpText("after", EXAMPLES).action(rerank);
}

async function rerank(_: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<RerankFlags>();
  const signal = interruptSignal();
  const queries = await readQueries(flags, signal);
  const given = flags.docs === undefined && flags.cache !== undefined ? undefined : await documentsOf(flags, signal);

  const bar = await progressBar(flags.quiet ?? false);
  try {
    const { onProgress } = bar;
    const options: LoadOptions = {
      ...toLoadOptions(flags),
      ...toRankLoadOptions(flags),
      ...toWindowOptions(flags),
      signal,
      onProgress,
    };
    await using retriever = await QRRetriever.load(options);
    const { topK, headScores, tokenScores, cache, order, maxDocumentTokens, layout, quiet = false } = flags;
    const corpus =
      cache === undefined
        ? undefined
        : await openCorpus(
            retriever,
            cache,
            given,
            { order, maxDocumentTokens, layout },
            { signal, onProgress, quiet },
          );
    const documents = given ?? corpus!.documents;
    const show = (result: RankResult, index: number) => {
      bar.stop();
      const { id } = queries[index]!;
      if (flags.json) return printJson({ ...toContract(retriever, result), ...(id !== undefined && { queryId: id }) });
      const marks = (ranked: RankedDocument) => markBestWords(ranked.tokenScores!, documents[ranked.index]!);
      if (id !== undefined) print(`${index > 0 ? "\n" : ""}${bold(oneLine(result.query))}`);
      print(rankingTable(result.results, documents, tokenScores ? marks : undefined));
    };
    const batch = { topK, headScores, tokenScores, signal, onProgress, onResult: show };
    const texts = queries.map(({ text }) => text);
    const { results, throughput } = await (corpus
      ? corpus.rankMany(texts, batch)
      : retriever.rankMany(texts, documents, batch));
    bar.stop();
    if (flags.json) return;
    for (const warning of results[0]!.warnings) warn(warning);
    if (quiet) return;
    note(footer(retriever, results.at(-1)!, flags.queries === undefined ? undefined : throughput));
  } finally {
    bar.stop();
  }
}

/** One query, or those of a file, which have ids. */
async function readQueries(flags: RerankFlags, signal: AbortSignal): Promise<{ id?: string; text: string }[]> {
  const { queries, query, queryFile, docs } = flags;
  if (queries === undefined) return [{ text: await readQuery(flags, signal) }];
  if (query !== undefined || queryFile !== undefined) {
    throw new InputError("INVALID_ARGUMENT", "Expected --queries, --query or --query-file but received two of them");
  }
  if (queries === "-" && docs === "-") {
    throw new InputError(
      "INVALID_ARGUMENT",
      "Expected standard input for --queries or for --docs but received - for both",
    );
  }
  return readDocuments(queries, "Queries file", {}, signal);
}

async function readQuery(flags: RerankFlags, signal: AbortSignal): Promise<string> {
  if (flags.query === undefined && flags.queryFile === "-" && flags.docs === "-") {
    throw new InputError(
      "INVALID_ARGUMENT",
      "Expected standard input for --query-file or for --docs but received - for both",
    );
  }
  return queryOf(flags, signal);
}

async function documentsOf({ docs, format }: RerankFlags, signal: AbortSignal): Promise<RankDocument[]> {
  if (docs === undefined) {
    throw new InputError("INVALID_ARGUMENT", "Expected documents: pass --docs FILE, or --docs - for standard input");
  }
  return readDocuments(docs, "Documents file", { format }, signal);
}

/** What `--json` prints. */
function toContract(retriever: QRRetriever, result: RankResult) {
  const { path, name, architecture, layers, heads } = retriever.model;
  return {
    model: { path, name, architecture, layers, heads },
    heads: result.heads,
    ...(result.weights && { weights: result.weights }),
    headSet: retriever.headSet,
    prompt: retriever.prompt,
    query: result.query,
    results: result.results,
    usage: result.usage,
    timings: result.timings,
    warnings: result.warnings,
    ...(result.windows && { windows: result.windows }),
  };
}

function footer(
  retriever: QRRetriever,
  { usage, timings, heads, windows }: RankResult,
  throughput: BatchResult["throughput"] | undefined,
): string {
  const count = usage.documentTokens.length;
  const named = /^[\d\s,_-]+$/.test(retriever.headSet) ? "" : ` of ${oneLine(retriever.headSet)}`;
  return [
    oneLine(retriever.model.name),
    `${heads.length} ${heads.length === 1 ? "head" : "heads"}${named}`,
    `${count} ${count === 1 ? "document" : "documents"}`,
    `${usage.promptTokens} tokens${windows ? ` in ${windows.count} windows (${windows.merge})` : ""}`,
    throughput
      ? `${throughput.queries} queries in ${Math.round(throughput.totalMs)} ms, ${throughput.queriesPerSecond.toPrecision(3)} a second`
      : `${Math.round(timings.totalMs)} ms and ${Math.round(timings.loadMs)} ms to load`,
  ].join(" · ");
}
