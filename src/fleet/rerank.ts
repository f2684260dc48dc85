import type { Redis } from "ioredis";
import {
  type Fuse,
  InputError,
  type Prior,
  type RankDocument,
  type RankedDocument,
  type RankResult,
} from "../index.ts";
import type { IsolatedRetriever } from "../isolate/index.ts";
import { zod } from "../util/zod.ts";
import { type DocumentsReference, SharedDocuments } from "./documents.ts";
import type { Setup } from "./setup.ts";
import type { Handler } from "./worker.ts";

export const RERANK = "rerank";

/** Options of ranking that a job may bring. Model, heads and prompt are the worker's. */
export type RerankOptions = {
  topK?: number | undefined;
  order?: "given" | "reverse" | undefined;
  layout?: "listwise" | "independent" | undefined;
  calibration?: boolean | undefined;
  mask?: boolean | undefined;
  maxDocumentTokens?: number | undefined;
  prior?: Prior | undefined;
  fuse?: Fuse | undefined;
};

export type RerankPayload = {
  query: string;
  documents: readonly RankDocument[] | DocumentsReference;
  options: RerankOptions;
};

/** What a worker found: a ranking, and the setup that it is of. */
export type RerankValue = Pick<RankResult, "usage" | "timings" | "warnings"> & {
  results: readonly Omit<RankedDocument, "document">[];
  setup: Setup;
};

const payloadSchema = () => {
  const z = zod();
  const document = z.strictObject({ id: z.string(), text: z.string(), title: z.string().optional() });
  return z.strictObject({
    query: z.string(),
    documents: z.union([z.array(document), z.strictObject({ digest: z.string().regex(/^[0-9a-f]{32}$/) })]),
    options: z.strictObject({
      topK: z.number().optional(),
      order: z.enum(["given", "reverse"]).optional(),
      layout: z.enum(["listwise", "independent"]).optional(),
      calibration: z.boolean().optional(),
      mask: z.boolean().optional(),
      maxDocumentTokens: z.number().optional(),
      prior: z.union([z.literal("bm25"), z.array(z.number())]).optional(),
      fuse: z.union([z.enum(["none", "rrf"]), z.strictObject({ weight: z.number() })]).optional(),
    }),
  });
};

/** Ranks what a job brings. Nothing in it is read as a path, or run. */
export function rerankHandler(
  retriever: () => Promise<Pick<IsolatedRetriever, "rank">>,
  setup: Setup,
  redis: Redis,
): Handler {
  const shared = new SharedDocuments(redis);
  return async (payload): Promise<RerankValue> => {
    const parsed = payloadSchema().safeParse(payload);
    if (!parsed.success) {
      const { path = [], message } = parsed.error.issues[0] ?? {};
      throw new InputError("INVALID_ARGUMENT", `The job's ${path.join(".") || "payload"} is wrong: ${message}`);
    }
    const { query, documents: given, options } = parsed.data;
    const documents = Array.isArray(given) ? given : await shared.get(given);
    const ranked = await (await retriever()).rank(query, documents as RankDocument[], options);
    const { usage, timings, warnings } = ranked;
    // The documents stay with the client that asked.
    const results = ranked.results.map(({ document: _, ...result }) => result);
    return { results, usage, timings, warnings, setup };
  };
}
