import { InputError } from "../errors.ts";
import type { RankDocument } from "../types.ts";
import { ahead } from "./ahead.ts";
import { type Answer, type FleetClient, failureOf } from "./client.ts";
import type { DocumentsReference } from "./documents.ts";
import { digest } from "./job.ts";
import { RERANK, type RerankOptions, type RerankPayload, type RerankValue } from "./rerank.ts";
import { type KnownLine, type ResultLine, type ResultsMode, withResults } from "./results.ts";
import { OneSetup } from "./setup.ts";

/** A query, what is ranked for it, and what it fuses. */
export type RerankQuery = {
  id: string;
  query: string;
  documents: readonly RankDocument[] | DocumentsReference;
  fusion?: Pick<RerankOptions, "prior" | "fuse">;
};

export type SubmitOptions = ResultsMode & {
  client: FleetClient;
  queries: AsyncIterable<RerankQuery> | Iterable<RerankQuery>;
  options: RerankOptions;
  output: string;
  /** Jobs in the queue at once, at least 1: what bounds the memory that Redis and this process need. */
  inFlight: number;
  /** Told of every query that is done. */
  onLine?: ((counts: SubmitCounts) => void) | undefined;
};

/** `known` were done by an earlier run, `failed` have an error for a result. */
export type SubmitCounts = { done: number; known: number; failed: number };

/**
 * Ranks on workers, and writes one line a query in the order of the queries, even if workers end meanwhile. A query that fails for
 * good has its error for a result.
 *
 * @throws InputError where the file belongs to other queries, or workers rank with different setups.
 */
export async function submitRerank(submission: SubmitOptions): Promise<SubmitCounts> {
  const { client, options, retry, inFlight, onLine } = submission;
  const counts: SubmitCounts = { done: 0, known: 0, failed: 0 };
  const setups = new OneSetup();
  await withResults(submission.output, submission, async ({ known, write }) => {
    const begin = async (query: RerankQuery): Promise<KnownLine | Answer<RerankValue>> => {
      const { value: earlier } = await known.next();
      if (earlier) assertSame(earlier, query, options, submission.output);
      if (earlier && !(retry && "error" in earlier.line)) return earlier;
      return client.ask<RerankValue>(askFor(query, options));
    };
    for await (const { item, outcome } of ahead(submission.queries, inFlight, begin)) {
      const { line, text } = toLine(item, options, outcome);
      const isKnown = text !== undefined;
      if (!("error" in line)) setups.assert(line.setup, line.worker);
      if (!isKnown || retry) await write(text ?? JSON.stringify(line));
      // Until the new file is complete, Redis has the only copy.
      if (!isKnown && !retry) await client.forget(askFor(item, options));
      counts.done += 1;
      counts.known += Number(isKnown);
      counts.failed += Number("error" in line);
      onLine?.(counts);
    }
    if ((await known.next()).value) {
      throw new InputError("INVALID_INPUT", `${submission.output} has results of more queries than there are`, {
        advice: "choose another name, or start over with --force",
      });
    }
  });
  if (retry) await client.forgetAll();
  return counts;
}

function askFor({ id, query, documents, fusion }: RerankQuery, options: RerankOptions) {
  const payload: RerankPayload = { query, documents, options: { ...options, ...fusion } };
  return { kind: RERANK, payload, label: id };
}

/** A digest of the question: with other documents or options it is another question. */
function jobOf(query: RerankQuery, options: RerankOptions): string {
  return digest(askFor(query, options).payload);
}

function toLine(
  asked: RerankQuery,
  options: RerankOptions,
  outcome: PromiseSettledResult<KnownLine | Answer<RerankValue>>,
): { line: ResultLine; text?: string } {
  const { id, query } = asked;
  const job = jobOf(asked, options);
  if (outcome.status === "rejected") {
    const { cause, attempts } = failureOf(outcome.reason);
    return { line: { id, query, job, error: { code: cause.code, message: cause.message }, attempts } };
  }
  if ("text" in outcome.value) return outcome.value;
  const { value, worker, attempts } = outcome.value;
  return { line: { id, query, job, ...value, worker, attempts } };
}

function assertSame({ line }: KnownLine, asked: RerankQuery, options: RerankOptions, file: string): void {
  const expected = (found: string, wanted: string) =>
    new InputError("INVALID_INPUT", `${file} has the result of query ${found} where that of ${wanted} was expected`, {
      advice: "resume with the queries, documents and options that it began with, or start over with --force",
    });
  if (line.id !== asked.id || line.query !== asked.query) {
    throw expected(JSON.stringify(line.id), JSON.stringify(asked.id));
  }
  if (line.job !== jobOf(asked, options)) {
    throw expected(`${JSON.stringify(line.id)} with other documents or options`, "what is asked now");
  }
}
