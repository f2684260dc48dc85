/** `qrhead/detect`: finding the heads of a model that retrieve. */

export type { DocumentRecord } from "../documents/documents.ts";
export type { HeadSet, HeadSetModel } from "../heads/head-set.ts";
export type { Gpu } from "../native/variants.ts";
export { NEEDLES, OBJECTIVES } from "../options/choices.ts";
export type { DetectionOptions, HaystackOptions } from "../options/types/detecting.ts";
export type { WindowOptions } from "../options/types/ranking.ts";
export type { LoadOptions, Progress, ScoringOptions } from "../options.ts";
export type { Head, RankDocument } from "../types.ts";
export { type BootstrapOptions, bootstrapExamples, type Needle } from "./bootstrap.ts";
export { BOOTSTRAP_TEXT } from "./bootstrap-text.ts";
export { detectHeads } from "./detect.ts";
export { type DetectionExample, type DetectionExampleInput, parseExamples } from "./examples.ts";
export { type DetectedHeadSet, formatHeadSet } from "./format.ts";
export type { HiddenFact } from "./hidden-fact.ts";
export type { Objective } from "./objectives.ts";
export type { DetectOptions, ExampleProgress } from "./options.ts";
export {
  detectRetrievalHeads,
  type RetrievalHeadOptions,
  type RetrievalHeads,
  type Trial,
} from "./retrieval-heads.ts";
