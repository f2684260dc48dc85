export type { UtilityProcess, UtilityProcessModule } from "./channel.ts";
export { IsolatedCorpus } from "./corpus.ts";
export { type IsolatedLoadOptions, IsolatedRetriever } from "./retriever.ts";
