import type { Command } from "commander";
import { InputError } from "../../errors.ts";
import { headKey } from "../../heads/heads.ts";
import { candidates } from "../../options/answering.ts";
import { INPUTS, OUTPUTS, type RANKING_FORMATS } from "../../options/command-line.ts";
import { RANKING, topK as topKSpec } from "../../options/ranking.ts";
import type { LoadOptions } from "../../options.ts";
import type { BatchResult, RankBatch } from "../../ranking/batch.ts";
import type { RankedDocument, RankResult } from "../../ranking/results.ts";
import { QRRetriever } from "../../retriever.ts";
import { counted } from "../../util/counted.ts";
import { openCorpus } from "../corpus-cache.ts";
import { oneByOne, rankCandidates } from "../first-stage.ts";
import { type FuseFlags, fuseOption } from "../fuse-option.ts";
import { addHelp } from "../help.ts";
import { markBestWords } from "../highlight.ts";
import { readQueries } from "../input.ts";
import { interruptSignal } from "../interrupt.ts";
import { modelLabel } from "../model-label.ts";
import {
  addCommonOptions,
  addHeadsOption,
  addModelOptions,
  addOptions,
  addRankOptions,
  addWindowOptions,
  type CommonFlags,
  type ModelFlags,
  type RankFlags,
  toLoadOptions,
  toRankLoadOptions,
  toWindowOptions,
  type WindowFlags,
} from "../options.ts";
import { bold, note, oneLine, print, printJson, warn } from "../output.ts";
import { progressBar } from "../progress.ts";
import { askedOf, type QueryFlags, queryOf } from "../query.ts";
import { fusionsOf, type Question } from "../query-priors.ts";
import { printRanking } from "../rankings.ts";
import { openKept } from "../retrieving.ts";
import { cutSources, readSources, type SourceDocument, type SourceFlags, toRankDocuments } from "../sources.ts";
import { decimalsFor, plainTable, rankingTable } from "../table.ts";

type RerankFlags = CommonFlags &
  QueryFlags &
  SourceFlags &
  ModelFlags &
  RankFlags &
  FuseFlags &
  WindowFlags & {
    heads?: string;
    cache?: string;
    index?: string;
    candidates?: number;
    topK?: number;
    threshold?: number;
    headScores?: boolean;
    tokenScores?: boolean;
    format?: (typeof RANKING_FORMATS)[number];
    json?: boolean;
  };

/** Heads that `--head-scores` names for a result. */
const SHOWN_HEADS = 5;

const HELP = {
  everyday: ["--query", "--model", "--top-k", "--heads", "--format", "--json"],
  examples: [
    'qrhead rerank "why is the sky blue" notes.jsonl',
    'qrhead rerank -m Llama-3.1-8B-Instruct-Q4_K_M.gguf -k 5 "why is the sky blue" notes/ report.txt',
    "grep -h . *.txt | qrhead rerank --query-file question.txt --format text",
    'qrhead rerank "…" notes.jsonl --cache notes.corpus    # the next query reads notes.corpus instead',
    'qrhead rerank "why is the sky blue" --index notes.index -k 5',
    'qrhead rerank -m my.gguf --heads my-heads.json "…" notes.jsonl --json',
    "qrhead rerank --queries queries.jsonl --docs notes.jsonl --json > rankings.jsonl",
  ],
  details: `
Documents: files, folders, patterns such as 'notes/**/*.md', or standard input. JSON Lines and JSON arrays hold strings or
objects with "text" (and "title", "id", "prior"); plain text has one document per line; Markdown and source code are cut into chunks.
--split and --docs-format override this. UTF-8, or UTF-16 with a byte order mark, up to 256 MiB.

With the built-in model BM25 is fused in: scores are .7 z(heads) + .3 z(BM25 over the documents). --fuse none ranks by the
heads alone. "prior" is the score of the search that found a document, higher is better: all documents have one or none. It
takes BM25's place, and both count alike. A line of --queries may have a list "prior", one number per document.

Formats: ids prints one id a line, tsv rank, score, id and text, text the documents themselves, json one object.`,
};

/** `qrhead rerank`: ranks documents for a question. */
export function registerRerank(program: Command): void {
  const command = program.command("rerank").description("rank documents for a question");
  command
    .argument("[question]", "the question")
    .argument("[files...]", "files, folders and patterns; or standard input");
  const { query, queryFile, queries, docs, docsFormat, split, index, cache } = INPUTS;
  addOptions(command, [query, queryFile, queries, docs, docsFormat, split, index, cache]);
  addOptions(addHeadsOption(addModelOptions(command)), [topKSpec, candidates, RANKING.threshold]);
  addOptions(addWindowOptions(addRankOptions(command).addOption(fuseOption("prior"))), [OUTPUTS.format, OUTPUTS.json]);
  addOptions(command, [RANKING.headScores, RANKING.tokenScores]);
  addHelp(addCommonOptions(command), HELP).action(rerank);
}

async function rerank(question: string | undefined, files: string[], _: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<RerankFlags>();
  const format = formatOf(flags);
  const signal = interruptSignal();
  const words = [...(question === undefined ? [] : [question]), ...files];
  const asked = askedOf(words, flags);
  if (flags.cache !== undefined && flags.candidates !== undefined) {
    const why = "keeps documents to be ranked as a whole";
    throw new InputError("INVALID_ARGUMENT", `Expected no --candidates beside --cache, which ${why}`);
  }
  const queries = await questionsOf(flags, asked.query, signal);
  await using kept = await openKept(flags.index, signal);
  const given = asked.files.length > 0 ? await readSources(asked.files, flags, signal) : undefined;
  if (kept && queries.some(({ prior }) => prior != null)) {
    throw new InputError("INVALID_INPUT", 'Expected no "prior" beside --index, which brings scores of its own');
  }
  // The number of chunks is not known before the texts are cut, which needs the model.
  const areKnown = given?.every(({ cut }) => cut === undefined) || given?.some(({ prior }) => prior != null);
  const fusions = fusionsOf(queries, areKnown ? given : undefined, flags.fuse);

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
    const { topK, threshold, headScores, tokenScores, cache, order, maxDocumentTokens, layout, quiet = false } = flags;
    const sources = given && (await cutSources(retriever, given, { signal }));
    const ranked = sources && toRankDocuments(sources);
    const settings = { order, maxDocumentTokens, layout };
    const call = { signal, onProgress, quiet };
    const corpus = cache === undefined ? undefined : await openCorpus(retriever, cache, ranked, settings, call);
    const all: readonly SourceDocument[] = sources ?? corpus?.documents ?? [];
    const show = (result: RankResult, index: number, documents = all) => {
      bar.stop();
      const { id } = queries[index]!;
      if (format === "json") {
        return printJson({ ...toContract(retriever, result, documents), ...(id !== undefined && { queryId: id }) });
      }
      if (format !== "table") return printRanking(result, documents, format, id);
      const marks = (one: RankedDocument) => markBestWords(one.tokenScores!, documents[one.index]!, one.passages?.[0]);
      if (id !== undefined) print(`${index > 0 ? "\n" : ""}${bold(oneLine(result.query))}`);
      print(rankingTable(result.results, documents, tokenScores ? marks : undefined));
      if (headScores) print(`\n${headsTable(result)}`);
    };
    const common = { topK, threshold, headScores, tokenScores, signal, onProgress };
    const texts = queries.map(({ text }) => text);
    const most = flags.candidates;
    const isChosen = kept !== undefined || (most !== undefined && most < all.length);
    const rankAll = async (): Promise<BatchResult> => {
      if (typeof fusions[0]!.prior !== "object") {
        const options = { ...common, ...fusions[0] };
        return showBatch(corpus ? corpus.rankMany(texts, options) : retriever.rankMany(texts, ranked!, options), show);
      }
      return oneByOne(texts, async (query, index) => {
        const options = { ...common, ...fusions[index] };
        const result = await (corpus ? corpus.rank(query, options) : retriever.rank(query, ranked!, options));
        show(result, index);
        return result;
      });
    };
    const { results, throughput } = isChosen
      ? await rankCandidates(retriever, texts, kept ?? all, most, { ...common, fusions, onResult: show })
      : await rankAll();
    bar.stop();
    if (format === "json") return;
    for (const warning of warningsOf(results, queries)) warn(warning);
    if (quiet || format !== "table") return;
    note(footer(retriever, results.at(-1)!, flags.queries === undefined ? undefined : throughput));
    const busy = busyNote(results);
    if (busy !== undefined) note(busy);
  } finally {
    bar.stop();
  }
}

/** Shows each result as it comes. */
async function showBatch(batch: RankBatch, show: (result: RankResult, index: number) => void): Promise<BatchResult> {
  let shown = 0;
  for await (const result of batch) show(result, shown++);
  return batch;
}

/** @throws InputError for `--json` beside another format. */
function formatOf({ format, json }: RerankFlags): (typeof RANKING_FORMATS)[number] {
  if (json && format !== undefined && format !== "json") {
    throw new InputError("INVALID_ARGUMENT", `Expected --json or --format ${format} but received both`);
  }
  return json ? "json" : (format ?? "table");
}

/** One question, or those of a file, which have ids. */
async function questionsOf(flags: RerankFlags, asked: string | undefined, signal: AbortSignal): Promise<Question[]> {
  const { queries, query, queryFile } = flags;
  if (queries === undefined) return [{ text: await queryOf(flags, signal, asked) }];
  if (query !== undefined || queryFile !== undefined) {
    throw new InputError("INVALID_ARGUMENT", "Expected --queries, --query or --query-file but received two of them");
  }
  return readQueries(queries, signal);
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

/** What a program would look up: the document's text, and where it is from. */
function placeOf({ title, text, file, line }: SourceDocument) {
  return { ...(title && { title }), ...(file !== undefined && { file }), ...(line !== undefined && { line }), text };
}

/** What `--json` prints. */
function toContract(retriever: QRRetriever, result: RankResult, documents: readonly SourceDocument[]) {
  const { path, name, architecture, layers, heads } = retriever.model;
  const { threads, cpuMs, waitMs: _, ...timings } = result.timings;
  return {
    model: { path, name, architecture, layers, heads },
    heads: result.heads,
    ...(result.weights && { weights: result.weights }),
    headSet: retriever.headSet,
    prompt: retriever.prompt,
    query: result.query,
    results: result.results.map(({ document: _, ...one }) => ({ ...one, ...placeOf(documents[one.index]!) })),
    abstained: result.abstained,
    belowThreshold: result.belowThreshold,
    calibration: result.calibration,
    usage: result.usage,
    timings,
    ...(threads !== undefined && { processors: { threads, cpuMs } }),
    warnings: result.warnings,
    ...(result.fusion && { fusion: result.fusion }),
    ...(result.windows && { windows: result.windows }),
  };
}

/** The first stage that is fused with the heads, and how. */
function fusedWith({ prior, fuse }: NonNullable<RankResult["fusion"]>): string {
  const what = prior === "bm25" ? "BM25" : "the first stage";
  return ` fused with ${what} (${fuse === "rrf" ? "by ranks" : `heads ${fuse.weight}`}; --fuse none: heads alone)`;
}

/** Milliseconds. Shorter passes say nothing about the load of the machine. */
const TOLD_MS = 300;
/** If the threads computed for less than this share of the time, they waited for processors. */
const BUSY_SHARE = 0.75;

/** Advice if there were far fewer free processors than threads. */
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
  { usage, timings, heads, windows, belowThreshold, fusion }: RankResult,
  throughput: BatchResult["throughput"] | undefined,
): string {
  const named = /^[\d\s,_-]+$/.test(retriever.headSet) ? "" : ` of ${oneLine(retriever.headSet)}`;
  return [
    modelLabel(retriever.model),
    `${counted(heads.length, "head")}${named}${fusion ? fusedWith(fusion) : ""}`,
    `${counted(usage.documentTokens.length, "document")}${belowThreshold > 0 ? `, ${belowThreshold} below the threshold` : ""}`,
    `${counted(usage.promptTokens, "token")}${windows ? ` in ${counted(windows.count, "window")} (${windows.merge})` : ""}`,
    throughput
      ? `${counted(throughput.queries, "query", "queries")} in ${Math.round(throughput.totalMs)} ms, ${throughput.queriesPerSecond.toPrecision(3)} a second`
      : `${Math.round(timings.totalMs)} ms and ${Math.round(timings.loadMs)} ms to load`,
  ].join(" · ");
}
