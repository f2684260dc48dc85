import path from "node:path";
import { normalizeRecords, stripTexts } from "../../documents/documents.ts";
import { supportingIds } from "../../documents/supporting.ts";
import type { RankDocument } from "../../types.ts";
import type { CandidateOptions, Grades, Task, Topic } from "../types.ts";
import { invalid, Notes } from "./notes.ts";
import { Places } from "./places.ts";
import { openPools } from "./pool-task.ts";
import { isRelevant } from "./qrels.ts";
import { parseJson, readJson } from "./records.ts";

type Place = { offset: number; length: number; position: string };

/**
 * Opens a file of queries that bring their documents, `{"id", "query", "docs": [{"id", "title", "text"}], "gold": ["id"]}`
 * as JSON Lines or one array, or the files that QRHead's own preprocessing writes (`question`, `paragraphs`, `gt_docs`), or
 * ICR's (`is_supporting` of every paragraph in place of `gt_docs`; relevant documents that were not retrieved are unknown).
 * `docs` may be called `documents`, and `gold` may also be an object of grades by id. Read as a stream; a query's documents are read again when its turn comes.
 *
 * @throws InputError `INVALID_INPUT`, naming the line, for a malformed query, or where none can be measured.
 */
export async function openPoolFile(file: string, options: CandidateOptions): Promise<Task> {
  const notes = new Notes();
  const bytes = await Places.of(file);
  const topics: Topic[] = [];
  const places = new Map<string, Place>();
  try {
    let index = 0;
    for await (const { value, ...place } of readJson(file, notes, bytes)) {
      const topic = toTopic(value, String(index++), place.position, notes);
      if (!topic) continue;
      if (places.has(topic.id)) {
        notes.add("queries whose id another one has, the first kept", topic.id);
        continue;
      }
      places.set(topic.id, place);
      topics.push(topic);
    }
    if (topics.length === 0) throw invalid(file, "has no query that can be measured");
    const close = () => bytes[Symbol.asyncDispose]();
    const read = async ({ id }: Topic) => {
      const { offset, length, position } = places.get(id)!;
      return documentsIn(parseJson(await bytes.read(offset, length, position), position), position);
    };
    const name = path.basename(file).replace(/\.(jsonl|json|gz)+$/, "");
    return await openPools({ name, format: "pools", topics, notes, documentsOf: read, close }, options);
  } catch (error) {
    await bytes[Symbol.asyncDispose]();
    throw error;
  }
}

function toTopic(value: unknown, index: string, position: string, notes: Notes): Topic | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(position, 'must be an object with "query", "docs" and "gold"');
  }
  const fields = value as Record<string, unknown>;
  const id = String(fields.id ?? fields._id ?? fields.idx ?? index);
  const query = fields.query ?? fields.question;
  if (typeof query !== "string") throw invalid(position, 'has no "query" (nor "question") that is a text');
  const documents = documentsIn(value, position);
  const known = new Set(documents.map((document) => document.id));
  const records = documentsOf(fields) as unknown[];
  const grades = readGold(fields.gold ?? fields.gt_docs ?? supportingIds(records, documents), position);
  for (const document of grades.keys()) {
    if (!known.has(document))
      notes.add("judgements of documents that the pool lacks, which count as not found", `${id} ${document}`);
  }
  if (query.trim() === "") notes.add("queries that are blank", id);
  else if (known.size === 0) notes.add("queries without documents", id);
  else if (!isRelevant(grades)) notes.add("queries without a relevant document", id);
  else return { id, query, grades };
  return null;
}

/** What stands under one of the names that tools give to a query's documents; undefined without any. */
export function documentsOf(fields: Record<string, unknown>): unknown {
  return fields.docs ?? fields.documents ?? fields.paragraphs;
}

function documentsIn(value: unknown, position: string): RankDocument[] {
  const fields = value as Record<string, unknown>;
  const docs = documentsOf(fields);
  if (!Array.isArray(docs))
    throw invalid(position, 'has no "docs" (nor "documents" nor "paragraphs") that is an array');
  return docs.length === 0 ? [] : stripTexts(normalizeRecords(docs, `${position}, docs`));
}

function readGold(value: unknown, position: string): Grades {
  if (Array.isArray(value) && value.every((id) => typeof id === "string" || typeof id === "number")) {
    return new Map(value.map((id) => [String(id), 1]));
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const grades = Object.entries(value);
    if (grades.every(([, grade]) => Number.isInteger(grade))) return new Map(grades);
  }
  throw invalid(
    position,
    'has no "gold" (nor "gt_docs", nor documents with "is_supporting") that is an array of ids or an object of integer grades by id',
  );
}
