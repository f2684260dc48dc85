export { type AskResult, type AskSource, ask } from "./answering/ask.ts";
export {
  type AssembledContext,
  type AssembleOptions,
  assembleContext,
  type ContextPiece,
  type Source,
  toMessages,
  toPrompt,
} from "./answering/assemble.ts";
export type { AskOptions, AskProgress } from "./answering/options.ts";
export { CHUNK_UNITS, type Chunk, type ChunkOptions, type ChunkUnit } from "./chunking/chunk.ts";
export type { Structure } from "./chunking/structures.ts";
export { type BootstrapOptions, bootstrapExamples, type Needle } from "./detect/bootstrap.ts";
export { BOOTSTRAP_TEXT } from "./detect/bootstrap-text.ts";
export { detectHeads } from "./detect/detect.ts";
export { type DetectionExample, type DetectionExampleInput, parseExamples } from "./detect/examples.ts";
export { type DetectedHeadSet, formatHeadSet } from "./detect/format.ts";
export type { HiddenFact } from "./detect/hidden-fact.ts";
export type { Objective } from "./detect/objectives.ts";
export type { DetectOptions, ExampleProgress } from "./detect/options.ts";
export {
  detectRetrievalHeads,
  type RetrievalHeadOptions,
  type RetrievalHeads,
  type Trial,
} from "./detect/retrieval-heads.ts";
export { type ChunkDocumentsOptions, chunkDocuments } from "./documents/chunk-documents.ts";
export { type DocumentInput, type ParseDocumentsOptions, parseDocuments } from "./documents/documents.ts";
export { DOCUMENT_FORMATS, type DocumentFormat } from "./documents/format.ts";
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
export { compareHeadSets, type HeadSetComparison } from "./heads/compare.ts";
export { type ExportFormat, exportHeadSet } from "./heads/export.ts";
export { type HeadSet, type HeadSetModel, parseHeadSet } from "./heads/head-set.ts";
export { matchHeadSet } from "./heads/match.ts";
export { plotHeadSet } from "./heads/plot.ts";
export { plotPage } from "./heads/plot-page.ts";
export { PUBLISHED_HEAD_SETS, type PublishedHeadSet } from "./heads/published.ts";
export type { HeadAttention, Inspection } from "./inspect/attention.ts";
export { inspectionPage } from "./inspect/page.ts";
export { BUILT_IN_MODEL } from "./model/model-file.ts";
export type { Gpu } from "./native/variants.ts";
export type { CacheType, LoadOptions, Progress, RankOptions, ScoringOptions } from "./options.ts";
export type { PromptName } from "./prompt/profiles.ts";
export type { CountTokens, PruneOptions } from "./pruning/options.ts";
export type { ProtectOptions } from "./pruning/protect.ts";
export type { PrunedDocument, PruneResult } from "./pruning/prune.ts";
export type { PruneLimit } from "./pruning/select.ts";
export type { BatchOptions, BatchResult } from "./ranking/rank-many.ts";
export type { RankedDocument, RankResult, Timings, TokenScore } from "./ranking/results.ts";
export type { Retriever } from "./ranking/retriever.ts";
export type { Demoted } from "./ranking/scoring/placement.ts";
export type { MergeRule, WindowOptions, WindowsUsed } from "./ranking/windows/options.ts";
export { Corpus } from "./reading/corpus/corpus.ts";
export type { CorpusOptions, MakeCorpusOptions, SaveOptions } from "./reading/corpus/options.ts";
export { QRRetriever } from "./retriever.ts";
export type { ChatMessage, Head, ModelIdentity, RankDocument, Span } from "./types.ts";
export type { GenerateOptions, GenerateResult, TextStream } from "./writing/options.ts";
