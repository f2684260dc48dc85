import { stat } from "node:fs/promises";
import path from "node:path";
import { Bm25Index, textOf } from "../../bm25/bm25.ts";
import type { WordProcessing } from "../../bm25/words.ts";
import { InputError } from "../../errors.ts";
import type { RankDocument } from "../../types.ts";
import type { CandidateOptions, Candidates, Task, Topic } from "../types.ts";
import { Corpus } from "./corpus.ts";
import { invalid, Notes } from "./notes.ts";
import { isRelevant, type Qrels, readQrels } from "./qrels.ts";
import { readTrecRun, type TrecRun } from "./trec-run.ts";
import { readRecords } from "./tsv.ts";

/** Candidates a query where nothing else is asked for. */
const DEFAULT_DEPTH = 100;

/**
 * Opens a folder in BEIR's format: `corpus.jsonl` and `queries.jsonl`, or `.tsv` of id and text, and `qrels.tsv` or
 * `qrels/SPLIT.tsv`, each also with `.gz`. Candidates are BM25's best, or the documents of a TREC run.
 *
 * @param qrels Judgements instead of the folder's, in BEIR's or TREC's form.
 * @param split Of the folder `qrels`. Defaults to `test`, else the only one there is.
 * @throws InputError `INVALID_INPUT` for a missing or malformed file, or where no query can be measured.
 */
export async function openBeir(
  folder: string,
  options: CandidateOptions & { split?: string | undefined; qrels?: string | undefined },
): Promise<Task> {
  const notes = new Notes();
  const qrels = await readQrels(options.qrels ?? (await findQrels(folder, options.split)), notes);
  const queries = await readQueries(await need(folder, "queries"), notes);
  const run = options.run === undefined ? undefined : await readTrecRun(options.run, notes);
  const index = new Bm25Index();
  const corpus = await Corpus.open(await need(folder, "corpus"), notes, (document) => index.add(textOf(document)));
  index.finish();
  try {
    const topics = toTopics(queries, qrels, corpus, run, notes);
    if (topics.length === 0)
      throw invalid(folder, "has no query that can be measured: no query has a relevant document");
    return new CorpusTask(folder, topics, notes, corpus, index, options.depth || DEFAULT_DEPTH, run);
  } catch (error) {
    await corpus[Symbol.asyncDispose]();
    throw error;
  }
}

class CorpusTask implements Task {
  readonly name: string;
  readonly format = "beir";
  readonly firstStage: "bm25" | "run";
  readonly #run: TrecRun | undefined;
  #other: Promise<Bm25Index> | undefined;

  constructor(
    folder: string,
    readonly topics: readonly Topic[],
    readonly notes: Notes,
    readonly corpus: Corpus,
    readonly index: Bm25Index,
    readonly depth: number,
    run: TrecRun | undefined,
  ) {
    this.name = path.basename(path.resolve(folder));
    this.firstStage = run ? "run" : "bm25";
    this.#run = run;
  }

  get dropped() {
    return this.notes.dropped;
  }

  get documents() {
    return this.corpus.ids.length;
  }

  async candidates(topic: Topic): Promise<Candidates> {
    const found = this.#run ? this.#fromRun(topic, this.#run) : this.#search(topic.query);
    const documents: RankDocument[] = [];
    for (const { index } of found) documents.push(await this.corpus.get(index));
    const indexes = found.map(({ index }) => index);
    return {
      documents,
      scores: found.map(({ score }) => score),
      bm25: async (words) => (await this.#indexOf(words)).scores(topic.query, indexes),
    };
  }

  /** The index of the first stage, or another one, for which all documents are read again. */
  #indexOf(words: WordProcessing = this.index.words): Promise<Bm25Index> | Bm25Index {
    if (words === this.index.words) return this.index;
    this.#other ??= this.#makeOther(words);
    return this.#other;
  }

  async #makeOther(words: WordProcessing): Promise<Bm25Index> {
    const index = new Bm25Index(words);
    for (let i = 0; i < this.corpus.ids.length; i++) index.add(textOf(await this.corpus.get(i)));
    index.finish();
    return index;
  }

  #search(query: string) {
    return this.index.search(query, this.depth, this.corpus.ids);
  }

  #fromRun({ id }: Topic, run: TrecRun) {
    const { ids, scores } = run.rankings.get(id)!;
    return ids
      .map((document, rank) => ({ index: this.corpus.indexOf(document), score: scores[rank]! }))
      .filter((found): found is { index: number; score: number } => found.index !== undefined)
      .slice(0, this.depth);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.corpus[Symbol.asyncDispose]();
  }
}

/** Queries by id, of records with `_id` and `text`. Blank ones are kept, so that each query is left out for one reason. */
async function readQueries(file: string, notes: Notes): Promise<Map<string, string>> {
  const queries = new Map<string, string>();
  for await (const { value, position } of readRecords(file, notes)) {
    const { _id, id = _id, text, query = text } = Object(value) as Record<string, unknown>;
    if (typeof id !== "string" && typeof id !== "number")
      throw invalid(position, 'has no "_id" that is a text or a number');
    if (typeof query !== "string") throw invalid(position, 'has no "text" that is a text');
    if (queries.has(String(id))) notes.add("queries whose id another one has, the first kept", String(id));
    else queries.set(String(id), query);
  }
  return queries;
}

/** The queries that can be measured, in the order of their file. Tells `notes` of the others. */
function toTopics(
  queries: Map<string, string>,
  qrels: Qrels,
  corpus: Corpus,
  run: TrecRun | undefined,
  notes: Notes,
): Topic[] {
  for (const [id, grades] of qrels) {
    if (!queries.has(id)) notes.add("judged queries that the queries file lacks", id);
    for (const document of grades.keys()) {
      if (corpus.has(document)) continue;
      notes.add("judgements of documents that the corpus lacks, which count as not found", `${id} ${document}`);
    }
  }
  for (const [id, { ids }] of run?.rankings ?? []) {
    if (!queries.has(id)) notes.add("queries of the run that the queries file lacks", id);
    for (const document of ids) {
      if (!corpus.has(document)) notes.add("documents of the run that the corpus lacks", `${id} ${document}`);
    }
  }
  return [...queries].flatMap(([id, query]): Topic[] => {
    const grades = qrels.get(id);
    if (query.trim() === "") notes.add("queries that are blank", id);
    else if (!grades) notes.add("queries without judgements", id);
    else if (!isRelevant(grades)) notes.add("queries without a relevant document", id);
    else if (run && !run.rankings.has(id)) notes.add("queries that the run lacks", id);
    else return [{ id, query, grades }];
    return [];
  });
}

async function findQrels(folder: string, split: string | undefined): Promise<string> {
  const names =
    split === undefined ? ["qrels.tsv", "qrels/test.tsv", "qrels/dev.tsv", "qrels/train.tsv"] : [`qrels/${split}.tsv`];
  const found = await firstThatExists(folder, names);
  if (found) return found;
  throw new InputError(
    "INVALID_INPUT",
    `Folder ${folder} has no judgements: expected ${names.join(" or ")}, plain or .gz`,
  );
}

async function need(folder: string, name: string): Promise<string> {
  const names = [`${name}.jsonl`, `${name}.tsv`];
  const found = await firstThatExists(folder, names);
  if (found) return found;
  throw new InputError("INVALID_INPUT", `Folder ${folder} has no ${names.join(" or ")}, plain or .gz`);
}

async function firstThatExists(folder: string, names: readonly string[]): Promise<string | undefined> {
  for (const name of names.flatMap((plain) => [plain, `${plain}.gz`])) {
    const file = path.join(folder, name);
    if ((await stat(file).catch(() => undefined))?.isFile()) return file;
  }
  return undefined;
}
