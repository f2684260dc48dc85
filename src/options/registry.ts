import { ASKING, CHUNK_DOCUMENTS, INDEXING, OPENING_INDEX, READ_TEXTS, RETRIEVING } from "./answering.ts";
import { ISOLATING, KEEPING, PARSING_DOCUMENTS, RANKING_A_CORPUS, SAVING } from "./corpora.ts";
import { BOOTSTRAPPING, DETECTING, RETRIEVAL_HEADS } from "./detecting.ts";
import { EVALUATING } from "./evaluating.ts";
import { LOADING } from "./model.ts";
import { RANKING, SCORING, WINDOWS } from "./ranking.ts";
import { SERVING, SERVING_TOOLS } from "./serving.ts";
import type { OptionSet } from "./spec.ts";
import { ASSEMBLING, CHUNKING, LIMITING, PROTECTING, PRUNING } from "./texts.ts";
import { WRITING } from "./writing.ts";

/** A type of options: its own, and those of other types that it has as well. */
export type OptionType = {
  says: string;
  own: OptionSet;
  also?: readonly string[];
  file: string;
  /** Of a command alone: the page on options has its flags. */
  isCommands?: boolean;
};

/**
 * Every type of options that the library takes, by its name. `npm run options` writes the files of `types` and the reference page from
 * here; `parse.ts` checks by it, and the command line takes its flags from it.
 */
export const OPTION_TYPES = {
  ScoringOptions: { own: SCORING, file: "ranking", says: "How documents are scored; each may also be given per call." },
  LoadOptions: { own: LOADING, also: ["ScoringOptions"], file: "ranking", says: "What `QRRetriever.load` takes." },
  RankOptions: { own: RANKING, also: ["ScoringOptions"], file: "ranking", says: "What `retriever.rank` takes." },
  WindowOptions: { own: WINDOWS, file: "ranking", says: "How windows are made and merged: `windows` as an object." },
  ChunkOptions: { own: CHUNKING, file: "texts", says: "How a text becomes chunks." },
  PruneLimit: {
    ...{ own: LIMITING, file: "texts" },
    says: "How much pruning keeps: exactly one of the first three, `relative`, or both.",
  },
  ProtectOptions: {
    ...{ own: PROTECTING, file: "texts" },
    says: "What pruning must keep. A unit that touches a protected range stays whole.",
  },
  PruningOptions: {
    own: PRUNING,
    file: "texts",
    says: "What `retriever.prune` takes besides its limit and options of ranking.",
  },
  AssembleOptions: { own: ASSEMBLING, file: "texts", says: "What `assembleContext` takes." },
  ChunkDocumentsOptions: { own: CHUNK_DOCUMENTS, file: "texts", says: "What `chunkDocuments` takes." },
  ReadTextsOptions: { own: READ_TEXTS, file: "texts", says: "What `readTexts` takes." },
  OpenIndexOptions: { own: OPENING_INDEX, file: "texts", says: "What `openIndex` takes." },
  UpdateIndexOptions: { own: INDEXING, file: "texts", says: "What `index.update` takes." },
  RetrieveOptions: { own: RETRIEVING, file: "texts", says: "What `retriever.retrieve` takes." },
  AnsweringOptions: {
    ...{ own: ASKING, file: "texts" },
    says: "What `ask` takes besides the options of `retrieve`; `generate` and `retriever` may also be loaded objects.",
  },
  GenerateOptions: { own: WRITING, file: "texts", says: "What `retriever.generate` takes." },
  DetectionOptions: {
    ...{ own: DETECTING, file: "detecting" },
    says: "What `detectHeads` takes besides some options of loading.",
  },
  HaystackOptions: {
    ...{ own: RETRIEVAL_HEADS, file: "detecting" },
    says: "What `detectRetrievalHeads` takes besides some options of loading.",
  },
  EvaluationOptions: {
    ...{ own: EVALUATING, file: "evaluating" },
    says: "What `evaluate` of `qrhead/eval` takes; `methods` and `measures` may also be objects.",
  },
  BootstrapOptions: { own: BOOTSTRAPPING, file: "detecting", says: "What `bootstrapExamples` takes." },
  ServeOptions: { own: SERVING, file: "serving", isCommands: true, says: "What `qrhead serve` runs with." },
  McpOptions: { own: SERVING_TOOLS, file: "serving", isCommands: true, says: "What `qrhead mcp` runs with." },
  SaveOptions: { own: SAVING, file: "corpora", says: "What `corpus.save` takes." },
  CorpusFileOptions: { own: KEEPING, file: "corpora", says: "Where `retriever.corpus` keeps what it reads." },
  CorpusRankOptions: {
    ...{ own: RANKING_A_CORPUS, also: ["RankOptions"], file: "corpora" },
    says: "What `corpus.rank` and `corpus.rankMany` take.",
  },
  ParseDocumentsOptions: { own: PARSING_DOCUMENTS, file: "corpora", says: "What `parseDocuments` takes." },
  IsolatedLoadOptions: {
    ...{ own: ISOLATING, also: ["LoadOptions"], file: "corpora" },
    says: "What `IsolatedRetriever.load` takes.",
  },
} as const satisfies Record<string, OptionType>;
