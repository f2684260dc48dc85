import type { DocumentInput } from "./documents/documents.ts";
import type { Inspection } from "./inspect/attention.ts";
import type { RankOptions } from "./options.ts";
import type { PromptProfile } from "./prompt/profiles.ts";
import type { PruneOptions } from "./pruning/options.ts";
import type { PruneResult } from "./pruning/prune.ts";
import type { RankBatch } from "./ranking/batch.ts";
import type { Ranker, RetrieverCorpus } from "./ranking/retriever.ts";
import type { MakeCorpusOptions } from "./reading/corpus/options.ts";
import type { ChatMessage, RankDocument } from "./types.ts";
import type { GenerateOptions, TextStream } from "./writing/options.ts";

/**
 * Every verb of a retriever, so that another thing may stand in for one: a proxy, a pool, a test. `QRRetriever` and
 * `IsolatedRetriever` have it.
 */
export interface Retriever extends Ranker {
  readonly prompt: PromptProfile["name"];
  readonly loadMs: number;
  readonly disposed: boolean;
  readonly pending: number;
  rankMany<T extends DocumentInput>(
    queries: readonly string[],
    documents: readonly T[],
    options?: RankOptions,
  ): RankBatch<T>;
  prune(query: string, input: string | readonly DocumentInput[], options: PruneOptions): Promise<PruneResult>;
  inspect(query: string, documents: readonly DocumentInput[], options?: RankOptions): Promise<Inspection>;
  corpus<T extends DocumentInput>(documents: readonly T[], options?: MakeCorpusOptions): Promise<RetrieverCorpus<T>>;
  loadCorpus(
    file: string,
    options?: Pick<RankOptions, "signal" | "onProgress">,
  ): Promise<RetrieverCorpus<RankDocument>>;
  generate(messages: readonly ChatMessage[], options?: GenerateOptions): TextStream;
  countTokens(messages: readonly ChatMessage[], options?: Pick<GenerateOptions, "signal">): Promise<number>;
}
