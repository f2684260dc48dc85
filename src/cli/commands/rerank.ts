import type { Command } from "commander";
import { InputError } from "../../errors.ts";
import { headKey } from "../../heads/heads.ts";
import type { LoadOptions } from "../../options.ts";
import type { BatchResult } from "../../ranking/rank-many.ts";
import type { RankedDocument, RankResult } from "../../ranking/results.ts";
import { QRRetriever } from "../../retriever.ts";
import type { RankDocument } from "../../types.ts";
import { openCorpus } from "../corpus-cache.ts";
import { type FuseFlags, fuseOption } from "../fuse-option.ts";
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
import { decimalsFor, plainTable, rankingTable } from "../table.ts";

type RerankFlags = CommonFlags &
  FormatFlags &
  ModelFlags &
  RankFlags &
  FuseFlags &
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

/** Heads that `--head-scores` names for a result. */
const SHOWN_HEADS = 5;

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
  addWindowOptions(addRankOptions(command).addOption(fuseOption()))
    .option("--json", "print one JSON object")
    .option("--head-scores", "what each head contributes; without --json, the heads that contribute most")
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
      const marks = (ranked: RankedDocument) =>
        markBestWords(ranked.tokenScores!, documents[ranked.index]!, ranked.passages?.[0]);
      if (id !== undefined) print(`${index > 0 ? "\n" : ""}${bold(oneLine(result.query))}`);
      print(rankingTable(result.results, documents, tokenScores ? marks : undefined));
      if (headScores) print(`\n${headsTable(result)}`);
    };
    const batch = { ...flags.fuse, topK, headScores, tokenScores, signal, onProgress, onResult: show };
    const texts = queries.map(({ text }) => text);
    const { results, throughput } = await (corpus
      ? corpus.rankMany(texts, batch)
      : retriever.rankMany(texts, documents, batch));
    bar.stop();
    if (flags.json) return;
    for (const warning of warningsOf(results, queries)) warn(warning);
    if (quiet) return;
    note(footer(retriever, results.at(-1)!, flags.queries === undefined ? undefined : throughput));
    const busy = busyNote(results);
    if (busy) note(busy);
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

/** Warnings of all queries, each once, with the query where not all have it. */
function warningsOf(results: readonly RankResult[], queries: readonly { id?: string }[]): string[] {
  const found = new Map<string, number[]>();
  for (const [index, { warnings }] of results.entries()) {
    for (const warning of warnings) found.set(warning, [...(found.get(warning) ?? []), index]);
  }
  return [...found].map(([warning, indexes]) => {
    const [first] = indexes as [number];
    const others = indexes.length > 1 ? ` and ${indexes.length - 1} more` : "";
    return indexes.length === results.length ? warning : `query ${queries[first]!.id}${others}: ${warning}`;
  });
}

/** For each result the heads that contribute most to its score, by absolute value. */
function headsTable({ results, heads }: RankResult): string {
  const decimals = decimalsFor(results.map(({ score }) => score));
  const rows = results.map(({ headScores }, rank) => {
    const best = headScores!
      .map((score, index) => ({ score, name: headKey(heads[index]!) }))
      .sort((a, b) => Math.abs(b.score) - Math.abs(a.score))
      .slice(0, SHOWN_HEADS);
    return [String(rank + 1), best.map(({ name, score }) => `${name} ${score.toFixed(decimals)}`).join("  ")];
  });
  return plainTable(["Rank", "Heads that contribute most"], rows, [], [0]);
}

/** What `--json` prints. */
function toContract(retriever: QRRetriever, result: RankResult) {
  const { path, name, architecture, layers, heads } = retriever.model;
  const { threads, cpuMs, waitMs: _, ...timings } = result.timings;
  return {
    model: { path, name, architecture, layers, heads },
    heads: result.heads,
    ...(result.weights && { weights: result.weights }),
    headSet: retriever.headSet,
    prompt: retriever.prompt,
    query: result.query,
    results: result.results,
    usage: result.usage,
    timings,
    ...(threads !== undefined && { processors: { threads, cpuMs } }),
    warnings: result.warnings,
    ...(result.windows && { windows: result.windows }),
    ...(result.fusion && { fusion: result.fusion }),
  };
}

/** Passes shorter than this say nothing about the machine. */
const TOLD_MS = 300;
/** Share of the threads' time below which they wait for processors more than they compute. */
const BUSY_SHARE = 0.75;

/** What to do where the threads had far fewer processors than there are threads. */
export function busyNote(results: readonly Pick<RankResult, "timings">[]): string | undefined {
  const threads = results[0]?.timings.threads ?? 1;
  const passMs = results.reduce((sum, { timings: t }) => sum + t.prefillMs + t.nullMs + t.queryMs, 0);
  const cpuMs = results.reduce((sum, { timings }) => sum + (timings.cpuMs ?? 0), 0);
  if (threads < 2 || passMs < TOLD_MS || cpuMs / passMs >= BUSY_SHARE * threads) return undefined;
  return (
    `qrhead: ${threads} threads had ${(cpuMs / passMs).toFixed(1)} processors: this machine is busy, and fewer threads are ` +
    `faster (--threads ${Math.max(1, Math.min(threads - 1, Math.floor(cpuMs / passMs)))})`
  );
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
