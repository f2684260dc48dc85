export { type AskResult, ask } from "./answering/ask.ts";
export {
  type AssembledContext,
  type AssembleOptions,
  assembleContext,
  type ContextPiece,
  type Source,
  toMessages,
  toPrompt,
} from "./answering/assemble.ts";
export type { AskOptions, AskProgress, Generate, LoadedLlamaModel } from "./answering/options.ts";
export type { RetrieveCorpus, RetrieveFrom, RetrieveHost } from "./answering/passages.ts";
export type { RetrievedSource, RetrieveOptions, RetrieveResult } from "./answering/retrieve.ts";
export type { Retriever } from "./answering/retriever.ts";
export { CHUNK_UNITS, type Chunk, type ChunkOptions, type ChunkUnit } from "./chunking/chunk.ts";
export type { Structure } from "./chunking/structures.ts";
export { type ChunkDocumentsOptions, type Chunker, chunkDocuments } from "./documents/chunk-documents.ts";
export { type DocumentInput, type ParseDocumentsOptions, parseDocuments, type Widened } from "./documents/documents.ts";
export type { DocumentFormat } from "./documents/format.ts";
export type { ChunkPlace } from "./documents/places.ts";
export { type LeftOutFile, type ReadText, type ReadTextsOptions, readTexts } from "./documents/read-files.ts";
export {
  ContextOverflowError,
  type ErrorDetails,
  InputError,
  isQRHeadError,
  QRHeadError,
  type QRHeadErrorCode,
} from "./errors.ts";
export { type HeadCalibration, type HeadSet, type HeadSetModel, parseHeadSet } from "./heads/head-set.ts";
export { type HeadSetMatch, matchHeadSet } from "./heads/match.ts";
export { PUBLISHED_HEAD_SETS, type PublishedHeadSet, type PublishedModelKey } from "./heads/published.ts";
export { PUBLISHED_MODELS } from "./heads/published-data.ts";
export { type ChunkIndex, type IndexedChunk, openIndex } from "./index-store/chunk-index.ts";
export type { IndexUpdate } from "./index-store/update.ts";
export type { HeadAttention, Inspection } from "./inspect/attention.ts";
export { inspectionPage } from "./inspect/page.ts";
export { BUILT_IN_MODEL, type BuiltInName, builtInModel } from "./model/built-in.ts";
export type { Tokenization } from "./native/addon-types.ts";
export type { Gpu } from "./native/variants.ts";
export { CACHE_TYPES, DOCUMENT_FORMATS, MERGE_RULES } from "./options/choices.ts";
export type { IndexProgress } from "./options/progress.ts";
export type { CorpusFileOptions } from "./options/types/corpora.ts";
export type { AnsweringOptions, OpenIndexOptions, PruningOptions, UpdateIndexOptions } from "./options/types/texts.ts";
export type { CacheType, LoadOptions, Progress, RankOptions, ScoringOptions } from "./options.ts";
export type { PromptName, PromptProfile } from "./prompt/profiles.ts";
export type { CountTokens, PruneOptions, PruneUnit } from "./pruning/options.ts";
export type { ProtectOptions } from "./pruning/protect.ts";
export type { PrunedDocument, PruneResult } from "./pruning/prune.ts";
export type { PruneLimit } from "./pruning/select.ts";
export type { BatchResult, RankBatch } from "./ranking/batch.ts";
export { Corpus } from "./ranking/corpus.ts";
export type { FusionOptions } from "./ranking/fusion.ts";
export type { PassageScore, RankedDocument, RankResult, Timings, TokenScore } from "./ranking/results.ts";
export type { Ranker, RetrieverCorpus } from "./ranking/retriever.ts";
export type { Demoted } from "./ranking/scoring/placement.ts";
export { relevanceByPlace } from "./ranking/scoring/relevance.ts";
export type { MergeRule, WindowOptions, WindowsUsed } from "./ranking/windows/options.ts";
export type { CorpusOptions, CorpusRankOptions, MakeCorpusOptions, SaveOptions } from "./reading/corpus/options.ts";
export { QRRetriever } from "./retriever.ts";
export type { ChatMessage, Fuse, Head, ModelIdentity, Prior, RankDocument, Span } from "./types.ts";
export type { GenerateOptions, GenerateResult, TextStream } from "./writing/options.ts";
