/** `qrhead/heads`: head sets, published ones and others: reading, matching, comparing, writing and drawing them. */
export { compareHeadSets, type HeadSetComparison } from "./compare.ts";
export { type ExportFormat, exportHeadSet } from "./export.ts";
export { type HeadSet, type HeadSetModel, parseHeadSet } from "./head-set.ts";
export { matchHeadSet } from "./match.ts";
export { plotHeadSet } from "./plot.ts";
export { plotPage } from "./plot-page.ts";
export { PUBLISHED_HEAD_SETS, type PublishedHeadSet } from "./published.ts";
export { trimHeadSet } from "./trim.ts";
