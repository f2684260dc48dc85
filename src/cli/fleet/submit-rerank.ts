import path from "node:path";
import type { Command } from "commander";
import { InputError, QRHeadError } from "../../errors.ts";
import { putDocuments } from "../../fleet/documents.ts";
import { type RerankQuery, submitRerank } from "../../fleet/submit-rerank.ts";
import { INPUTS } from "../../options/command-line.ts";
import { SUBMITTING } from "../../options/fleet.ts";
import { SCORING, topK } from "../../options/ranking.ts";
import type { FusionOptions } from "../../ranking/fusion.ts";
import { counted } from "../../util/counted.ts";
import { fuseOption } from "../fuse-option.ts";
import { addHelp } from "../help.ts";
import { nameOf, readDocuments, readQueries } from "../input.ts";
import { interruptSignal } from "../interrupt.ts";
import { addCommonOptions, addOptions } from "../options.ts";
import { note } from "../output.ts";
import { progressBar } from "../progress.ts";
import { fusionsOf } from "../query-priors.ts";
import { jobsAtOnce, openClient, type SubmitFlags } from "./options.ts";
import { readQueriesWithDocuments } from "./queries.ts";

type RerankFlags = SubmitFlags & {
  queries?: string;
  docs?: string[];
  topK?: number;
  order?: "given" | "reverse";
  layout?: "listwise" | "independent";
  calibration: boolean;
  mask: boolean;
  maxDocumentTokens?: number;
  fuse?: FusionOptions;
};

const HELP = {
  everyday: ["--redis", "--output", "--queries", "--docs", "--top-k", "--resume", "--retry"],
  examples: [
    "qrhead submit rerank --redis redis://127.0.0.1:6379 queries-with-docs.jsonl -o rankings.jsonl",
    "qrhead submit rerank --redis redis://127.0.0.1:6379 --queries queries.jsonl --docs notes.jsonl -o ranked.jsonl --force",
  ],
  details: `
Queries: JSON Lines of {"id", "query", "docs": [{"id", "title", "text"}, …]}, or --queries and --docs if all are asked of the
same documents. The file is read as a stream and may be larger than memory. "prior" is the score of the search that found a
document: of every document, or as a list in the line of the query. It takes BM25's place, and heads and prior count alike.

Results: a line a query, in the order of the queries: {"id", "query", "results": [{"index", "id", "score"}, …]}, or
{"id", "query", "error": {"code", "message"}} for a query that failed finally. The exit code is then 1.

A submission that ended in any way continues with the same command and --resume. The workers set model and heads.`,
};

/** `qrhead submit rerank`: ranks many queries on workers. */
export function registerSubmitRerank(parent: Command): void {
  const command = parent.command("rerank").description("rank documents for many questions");
  command.argument("[file]", "queries with their documents, - for standard input");
  addOptions(command, Object.values(SUBMITTING));
  const { calibration, mask, order, layout, maxDocumentTokens } = SCORING;
  addOptions(command, [INPUTS.queries, INPUTS.docs, topK, calibration, mask, order, layout, maxDocumentTokens]);
  addHelp(addCommonOptions(command.addOption(fuseOption("prior"))), HELP).action(submit);
}

async function submit(file: string | undefined, _: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<RerankFlags>();
  const signal = interruptSignal();
  const { output, retry = false, force = false, quiet = false } = flags;
  const resume = (flags.resume ?? false) || retry;
  const { topK: most, order, layout, maxDocumentTokens } = flags;
  const given = { topK: most, order, layout, maxDocumentTokens };
  const options = {
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    ...(!flags.calibration && { calibration: false }),
    ...(!flags.mask && { mask: false }),
  };
  assertInput(file, flags);
  const client = await openClient({ ...flags, resume }, signal);
  const bar = await progressBar(quiet);
  try {
    const { queries, total } = await openQueries(file, flags, client.queues.connection, signal);
    const counts = await submitRerank({
      ...{ client, queries, options, output: path.resolve(output), inFlight: jobsAtOnce(flags), resume, retry, force },
      onLine: ({ done }) => {
        if (total !== undefined) bar.onProgress({ phase: "rank", done, total });
      },
    });
    bar.stop();
    const { done, known, failed } = counts;
    if (!quiet) {
      note(`${counted(done, "query", "queries")}${known > 0 ? `, ${known} of them known already` : ""}`);
    }
    if (failed > 0) {
      const what = failed === 1 ? "A query" : `${failed} queries`;
      throw new QRHeadError("QUEUE_FAILED", `${what} failed: the results say why, and so does qrhead submit failed`, {
        advice: "try them again with --retry",
      });
    }
  } finally {
    bar.stop();
    await client[Symbol.asyncDispose]();
  }
}

function assertInput(file: string | undefined, { queries, docs = [] }: RerankFlags): void {
  const both = queries !== undefined && docs.length === 1;
  if (file === undefined ? both : queries === undefined && docs.length === 0) return;
  throw new InputError(
    "INVALID_ARGUMENT",
    "Expected a file of queries with their documents, or --queries FILE and --docs FILE",
  );
}

async function openQueries(
  file: string | undefined,
  { queries, docs, fuse }: RerankFlags,
  redis: Parameters<typeof putDocuments>[0],
  signal: AbortSignal,
): Promise<{ queries: AsyncIterable<RerankQuery> | Iterable<RerankQuery>; total?: number }> {
  if (file !== undefined) return { queries: readQueriesWithDocuments(file, nameOf(file), fuse) };
  const asked = await readQueries(queries!, signal);
  const located = await readDocuments(docs![0]!, "Documents file", {}, signal);
  const fusions = fusionsOf(
    asked,
    located.map(({ document, prior }) => ({ ...document, prior })),
    fuse,
  );
  const documents = await putDocuments(
    redis,
    located.map(({ document }) => document),
  );
  const given = asked.map(({ id, text }, index) => ({ id, query: text, documents, fusion: fusions[index]! }));
  return { queries: given, total: asked.length };
}
