/** `qrhead/eval`: how well methods retrieve and rerank, on labelled data. */
export { evaluate } from "./evaluate.ts";
export { parseMethods } from "./methods/spec.ts";
export { parseMeasure } from "./metrics/measures.ts";
export { renderHtml } from "./report/html.ts";
export { writeTrecFiles } from "./report/trec.ts";
export { findSetting, SETTINGS } from "./settings.ts";
