import type { Chunk, ChunkOptions } from "../chunking/chunk.ts";
import type { DocumentInput } from "../documents/documents.ts";
import type { Tokenization } from "../native/addon-types.ts";
import type { RankOptions } from "../options.ts";
import type { Head, ModelIdentity } from "../types.ts";
import type { RankResult } from "./results.ts";

/** What ranks and cuts texts with one loaded model. `QRRetriever` is one; what is built on ranking asks for no more. */
export interface Retriever extends AsyncDisposable {
  readonly model: ModelIdentity & { path: string };
  readonly heads: Head[];
  readonly headSet: string;
  rank(query: string, documents: readonly DocumentInput[], options?: RankOptions): Promise<RankResult>;
  tokenize(text: string, options?: { signal?: AbortSignal | undefined }): Promise<Tokenization>;
  chunk(text: string, options?: ChunkOptions & { signal?: AbortSignal | undefined }): Promise<Chunk[]>;
  dispose(): Promise<void>;
}
