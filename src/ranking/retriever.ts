import type { Chunk, ChunkOptions } from "../chunking/chunk.ts";
import type { DocumentInput } from "../documents/documents.ts";
import type { Tokenization } from "../native/addon-types.ts";
import type { RankOptions } from "../options.ts";
import type { CorpusRankOptions, SaveOptions } from "../reading/corpus/options.ts";
import type { Head, ModelIdentity, RankDocument } from "../types.ts";
import type { RankBatch } from "./batch.ts";
import type { RankResult } from "./results.ts";

/** What ranks and cuts texts with one loaded model: what is built on ranking asks for no more. */
export interface Ranker extends AsyncDisposable {
  readonly model: ModelIdentity & { path: string };
  readonly heads: Head[];
  readonly headSet: string;
  rank<T extends DocumentInput>(query: string, documents: readonly T[], options?: RankOptions): Promise<RankResult<T>>;
  tokenize(text: string, options?: { signal?: AbortSignal | undefined }): Promise<Tokenization>;
  chunk(text: string, options?: ChunkOptions & { signal?: AbortSignal | undefined }): Promise<Chunk[]>;
  dispose(): Promise<void>;
}

/** Documents that stay read, wherever: a `Corpus`, or an `IsolatedCorpus`. */
export interface RetrieverCorpus<T extends DocumentInput = DocumentInput> extends AsyncDisposable {
  readonly documents: RankDocument[];
  readonly layout: "listwise" | "independent";
  readonly order: "given" | "reverse";
  readonly maxDocumentTokens: number | undefined;
  readonly bytes: number;
  readonly disposed: boolean;
  rank(query: string, options?: CorpusRankOptions): Promise<RankResult<T>>;
  rankMany(queries: readonly string[], options?: CorpusRankOptions): RankBatch<T>;
  save(file: string, options?: SaveOptions): Promise<void>;
  dispose(): Promise<void>;
}
