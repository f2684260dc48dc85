/** `qrhead/detect`: finding the heads of a model that retrieve. */
export type { Gpu } from "../native/variants.ts";
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
