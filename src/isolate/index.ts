export type { ReadableText, UtilityProcess, UtilityProcessModule } from "../types.ts";
export { IsolatedCorpus } from "./corpus.ts";
export { type IsolatedLoadOptions, IsolatedRetriever } from "./retriever.ts";
