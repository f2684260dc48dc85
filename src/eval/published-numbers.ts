import type { PublishedModelKey } from "../heads/published.ts";

/** Methods of the paper that are measured again. */
export const COMPARED = ["bm25", "icr", "qrhead"] as const;
export type Compared = (typeof COMPARED)[number];

/** One table of the paper: numbers in percent, in the order of the columns. */
export type PublishedTable = {
  source: string;
  /** The setting of `qrhead eval` that is the paper's. */
  setting: "beir" | "longmemeval" | "clipper";
  /** Which of the authors' two head sets of a model the table is about. */
  heads: "nq" | "lme";
  /** A set of data with its measure. A BEIR set is known by its folder's name, the other data by how theirs begins. */
  columns: readonly { set: string; measure: string }[];
  bm25: readonly number[];
  models: Partial<Record<PublishedModelKey, Record<Exclude<Compared, "bm25">, readonly number[]>>>;
};

const BEIR_SETS =
  "nq trec-covid nfcorpus fiqa scifact scidocs fever climate-fever dbpedia-entity robust04 trec-news".split(" ");

/** Query-Focused Retrieval Heads (EMNLP 2025, arXiv 2506.09944v1), rows BM25, ICR and QRRetriever. */
export const PUBLISHED_TABLES = {
  beir: {
    source: "arXiv 2506.09944, table 2: nDCG@10 on BEIR",
    ...{ setting: "beir", heads: "nq" },
    columns: BEIR_SETS.map((set) => ({ set, measure: "ndcg@10" })),
    bm25: [30.5, 59.5, 32.2, 23.6, 67.9, 14.9, 65.1, 16.5, 31.8, 40.7, 39.5],
    models: {
      "llama-3.2-3b": {
        icr: [49.2, 72.3, 33.8, 31.8, 73.3, 17.4, 82.6, 24.2, 34.7, 47.2, 44.7],
        qrhead: [54.9, 77.4, 35.1, 35.1, 74.7, 18.3, 83.7, 24.5, 36.0, 49.7, 45.1],
      },
      "llama-3.1-8b": {
        icr: [54.0, 73.3, 34.8, 35.6, 75.5, 19.0, 85.8, 24.8, 36.9, 49.0, 44.5],
        qrhead: [58.6, 77.5, 35.3, 39.1, 76.2, 19.4, 85.3, 23.9, 37.2, 51.4, 46.2],
      },
      "qwen2.5-7b": {
        icr: [43.1, 66.1, 32.7, 27.0, 71.1, 16.4, 79.2, 19.6, 35.3, 43.0, 40.0],
        qrhead: [49.9, 67.7, 33.1, 29.2, 71.0, 15.3, 80.7, 20.1, 35.7, 43.7, 39.8],
      },
      "llama-3.1-70b": {
        icr: [57.9, 72.3, 34.2, 38.9, 74.6, 19.4, 86.4, 22.0, 38.3, 42.6, 40.4],
        qrhead: [62.1, 73.9, 34.7, 43.8, 76.8, 20.4, 85.9, 23.1, 35.7, 51.6, 43.5],
      },
    },
  },
  longmemeval: {
    source: "arXiv 2506.09944, table 1: LongMemEval, recall",
    ...{ setting: "longmemeval", heads: "lme" },
    columns: ["recall@5", "recall@10"].map((measure) => ({ set: "longmemeval", measure })),
    bm25: [57.5, 67.5],
    models: {
      "llama-3.2-3b": { icr: [68.7, 78.8], qrhead: [77.6, 86.6] },
      "llama-3.1-8b": { icr: [77.0, 84.4], qrhead: [85.5, 91.7] },
      "llama-3.1-70b": { icr: [32.1, 46.5], qrhead: [80.4, 88.5] },
    },
  },
  clipper: {
    source: "arXiv 2506.09944, table 1: CLIPPER, recall",
    ...{ setting: "clipper", heads: "lme" },
    columns: ["recall@3", "recall@5"].map((measure) => ({ set: "clipper", measure })),
    bm25: [74.6, 83.7],
    models: {
      "llama-3.2-3b": { icr: [72.8, 83.6], qrhead: [85.5, 93.4] },
      "llama-3.1-8b": { icr: [89.3, 94.7], qrhead: [93.8, 96.9] },
      "llama-3.1-70b": { icr: [86.2, 93.1], qrhead: [95.0, 98.2] },
    },
  },
} as const satisfies Record<string, PublishedTable>;

export type TableName = keyof typeof PUBLISHED_TABLES;

/** What the paper prints, in percent; null where it prints nothing of the kind. */
export function publishedNumber(
  table: PublishedTable,
  model: PublishedModelKey | undefined,
  method: Compared,
  { set, measure }: { set: string; measure: string },
): number | null {
  const isOf = (name: string) => (table.setting === "beir" ? set === name : set.toLowerCase().startsWith(name));
  const column = table.columns.findIndex((one) => isOf(one.set) && one.measure === measure);
  const row = method === "bm25" ? table.bm25 : model && table.models[model]?.[method];
  return row?.[column] ?? null;
}
