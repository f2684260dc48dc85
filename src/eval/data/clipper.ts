import { readFile } from "node:fs/promises";
import path from "node:path";
import { normalizeRecords } from "../../documents/documents.ts";
import type { RankDocument } from "../../types.ts";
import type { CandidateOptions, Task, Topic } from "../types.ts";
import { invalid, Notes } from "./notes.ts";
import { openPools } from "./pool-task.ts";
import { parseJson, readJson } from "./records.ts";

/** What answering needs of a claim beside the topic. */
export type ClipperTopic = Topic & { corrupted: string; book: string };

/**
 * Opens CLIPPER (arXiv 2502.14854) from a folder with `claims.jsonl` (`id`, `book`, `query`, its false twin `corrupted`,
 * `gold` chapter numbers) and `books/ID.json` (`chapters` of `id` and `text`). True claims are the queries and chapters
 * the documents, by their numbers. A book's chapters are read when one of its claims comes.
 */
export async function openClipper(folder: string, options: CandidateOptions): Promise<Task> {
  const notes = new Notes();
  const topics: ClipperTopic[] = [];
  const seen = new Set<string>();
  for await (const { value, position } of readJson(path.join(folder, "claims.jsonl"), notes)) {
    const { id, book, query, corrupted, gold } = Object(value) as Record<string, unknown>;
    if (typeof query !== "string" || typeof corrupted !== "string") {
      throw invalid(position, 'has no "query" and "corrupted" that are texts');
    }
    if (!Array.isArray(gold)) throw invalid(position, 'has no "gold" that is an array of chapter numbers');
    const key = String(id ?? topics.length);
    if (gold.length === 0) notes.add("queries without a relevant document", key);
    else if (seen.has(key)) notes.add("queries whose id another one has, the first kept", key);
    else
      topics.push({ id: key, query, grades: new Map(gold.map((n) => [String(n), 1])), corrupted, book: String(book) });
    seen.add(key);
  }
  await checkGold(folder, topics, notes);
  let last: { book: string; chapters: RankDocument[] } | undefined;
  const documentsOf = async (topic: Topic) => {
    const { book } = topic as ClipperTopic;
    if (last?.book !== book) last = { book, chapters: await readChapters(folder, book) };
    return last.chapters;
  };
  return openPools(
    { name: path.basename(path.resolve(folder)), format: "clipper", topics, notes, documentsOf },
    options,
  );
}

/** Reads every book once, to find broken books before hours of work, and to count missing chapters. */
async function checkGold(folder: string, topics: readonly ClipperTopic[], notes: Notes): Promise<void> {
  const books = new Map<string, ClipperTopic[]>();
  for (const topic of topics) books.set(topic.book, [...(books.get(topic.book) ?? []), topic]);
  for (const [book, claims] of books) {
    const known = new Set((await readChapters(folder, book)).map(({ id }) => id));
    for (const { id, grades } of claims) {
      for (const chapter of grades.keys()) {
        if (!known.has(chapter))
          notes.add("judgements of chapters that the book lacks, which count as not found", `${id} ${chapter}`);
      }
    }
  }
}

async function readChapters(folder: string, book: string): Promise<RankDocument[]> {
  const file = path.join(folder, "books", `${book}.json`);
  const bytes = await readFile(file).catch((error: Error) => {
    throw invalid(`Book ${file}`, `cannot be read: ${error.message}`);
  });
  const { chapters } = Object(parseJson(bytes, file)) as { chapters?: unknown };
  if (!Array.isArray(chapters)) throw invalid(file, 'has no "chapters" that are an array');
  return normalizeRecords(chapters, `${file}, chapters`);
}
