export { type AskOptions, type AskResult, type AskSource, ask } from "./ask.ts";
export { CHUNK_UNITS, type Chunk, type ChunkOptions, type ChunkUnit } from "./chunking/chunk.ts";
export {
  type AssembledContext,
  type AssembleOptions,
  assembleContext,
  type ChatMessage,
  type ContextPiece,
  type Source,
  toMessages,
  toPrompt,
} from "./context/assemble.ts";
export type { ProtectOptions } from "./context/protect.ts";
export { type DetectedHeadSet, detectHeads } from "./detect/detect.ts";
export { type DetectionExample, type DetectionExampleInput, parseExamples } from "./detect/examples.ts";
export type { Objective } from "./detect/objectives.ts";
export type { DetectOptions, ExampleProgress } from "./detect/options.ts";
export type { DocumentInput } from "./documents.ts";
export { parseDocuments } from "./documents.ts";
export { ContextOverflowError, InputError, isQRHeadError, QRHeadError, type QRHeadErrorCode } from "./errors.ts";
export { type HeadSet, parseHeadSet } from "./heads/head-set.ts";
export { matchHeadSet } from "./heads/match.ts";
export { PUBLISHED_HEAD_SETS, type PublishedHeadSet } from "./heads/published.ts";
export type { HeadAttention, Inspection } from "./inspect/attention.ts";
export { inspectionPage } from "./inspect/page.ts";
export { BUILT_IN_MODEL } from "./model-file.ts";
export type { Gpu } from "./native/variants.ts";
export type { CacheType, LoadOptions, Progress, RankOptions, ScoringOptions } from "./options.ts";
export type { PromptName } from "./prompt/profiles.ts";
export type { CountTokens, PrunedDocument, PruneOptions, PruneResult } from "./prune.ts";
export { type ReadText, readTexts } from "./read-files.ts";
export type { RankedDocument, RankResult, TokenScore } from "./results.ts";
export { QRRetriever } from "./retriever.ts";
export type { Head, ModelIdentity, RankDocument, Span } from "./types.ts";
export type { MergeRule, WindowOptions, WindowsUsed } from "./windows/options.ts";
