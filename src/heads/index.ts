/** `qrhead/heads`: head sets, published ones and others: reading, matching, comparing, writing and drawing them. */

export { EXPORT_FORMATS } from "../options/choices.ts";
export type { Head, ModelIdentity } from "../types.ts";
export { compareHeadSets, type HeadSetComparison } from "./compare.ts";
export { type ExportFormat, exportHeadSet } from "./export.ts";
export { type HeadSet, type HeadSetModel, parseHeadSet } from "./head-set.ts";
export { type HeadSetMatch, matchHeadSet } from "./match.ts";
export { plotHeadSet } from "./plot.ts";
export { plotPage } from "./plot-page.ts";
export { PUBLISHED_HEAD_SETS, type PublishedHeadSet, type PublishedModelKey } from "./published.ts";
export { PUBLISHED_MODELS } from "./published-data.ts";
export { trimHeadSet } from "./trim.ts";
