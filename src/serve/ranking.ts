import { createHash } from "node:crypto";
import type { RankDocument, RankOptions, RankResult } from "../index.ts";
import type { CorpusStore } from "./corpora.ts";
import { HttpError } from "./failure.ts";
import type { Metrics } from "./metrics.ts";
import type { Models, ServedModel } from "./models.ts";
import type { Target } from "./queue.ts";

/** What requests are answered with. */
export type Services = { models: Models; metrics: Metrics; corpora: CorpusStore | undefined };

/** What is to be ranked: documents of the request, or a stored corpus. */
export type Subject = { documents: RankDocument[] } | { corpus: string };

/**
 * Ranks for a request.
 *
 * @param name The model that the request names.
 * @throws HttpError 429 for a full queue, 404 for an unknown corpus, 501 where there are no corpora.
 */
export async function rankFor(
  services: Services,
  name: string | null | undefined,
  query: string,
  subject: Subject,
  options: RankOptions,
  signal: AbortSignal,
): Promise<{ model: ServedModel; result: RankResult }> {
  const { model, key, open } = await find(services, name, subject);
  const result = await model.queue.rank({ key: `${key} ${JSON.stringify(options)}`, query, options, open }, signal);
  services.metrics.ranked(model.id, result);
  return { model, result };
}

async function find(services: Services, name: string | null | undefined, subject: Subject) {
  if ("corpus" in subject) {
    const store = storeOf(services);
    const { served: model, version } = await store.find(subject.corpus);
    // The corpus that is stored when the turn of the request comes.
    const open = (): Promise<Target> => store.open(subject.corpus, model);
    return { model, key: `corpus ${subject.corpus} ${version}`, open };
  }
  const { documents } = subject;
  const model = services.models.find(name);
  const key = createHash("sha256").update(JSON.stringify(documents)).digest("base64");
  const open = async (): Promise<Target> => {
    const engine = await model.engine();
    return {
      rank: (query, options) => engine.rank(query, documents, options),
      rankMany: (queries, options) => engine.rankMany(queries, documents, options),
    };
  };
  return { model, key, open };
}

/** @throws HttpError 501 where the server was started without a folder for corpora. */
export function storeOf({ corpora }: Services): CorpusStore {
  if (!corpora) throw new HttpError(501, "This server keeps no corpora: start it with --corpora FOLDER");
  return corpora;
}
