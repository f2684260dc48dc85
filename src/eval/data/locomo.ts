import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { normalizeRecords } from "../../documents/documents.ts";
import type { RankDocument } from "../../types.ts";
import { append } from "../../util/extremes.ts";
import type { CandidateOptions, Task, Topic } from "../types.ts";
import { invalid, Notes } from "./notes.ts";
import { openPools } from "./pool-task.ts";
import { isRelevant } from "./qrels.ts";
import { parseJson, readJson } from "./records.ts";

/** Questions of this category have no answer in the conversation; the literature leaves them out of retrieval. */
const ADVERSARIAL = 5;

type Conversation = { sessions: RankDocument[]; turns: RankDocument[] };
type Question = { id: string; query: string; answer: string; category: number; conversation: string; turns: string[] };
/** What answering needs of a question beside the topic. */
export type LocomoTopic = Topic & { answer: string; category: number; conversation: string };

/**
 * Opens LoCoMo (arXiv 2402.17753): the published `locomo10.json`, or a folder with `questions.jsonl` and, for every
 * conversation, `ID.docs.json` with its `sessions` and `turns`. Retrieved are turns, or sessions.
 */
export async function openLocomo(
  source: string,
  options: CandidateOptions & { granularity?: "turn" | "session" | undefined },
): Promise<Task> {
  const granularity = options.granularity ?? "turn";
  const notes = new Notes();
  const isFolder = (await stat(source)).isDirectory();
  const { conversations, questions } = isFolder ? await readFolder(source, notes) : await readPublished(source, notes);
  const documentsOf = (conversation: string) =>
    conversations.get(conversation)![granularity === "session" ? "sessions" : "turns"];
  const topics: LocomoTopic[] = [];
  for (const { id, query, answer, category, conversation, turns } of questions) {
    const known = new Set(documentsOf(conversation).map((document) => document.id));
    const grades = new Map<string, number>();
    for (const turn of turns) {
      const document = granularity === "session" ? `S${/^D(\d+)/.exec(turn)?.[1]}` : turn;
      if (!known.has(document))
        notes.add("judgements of documents that the conversation lacks, which count as not found", `${id} ${document}`);
      grades.set(document, 1);
    }
    if (category === ADVERSARIAL) notes.add("adversarial questions, which have no answer", id);
    else if (!isRelevant(grades)) notes.add("queries without a relevant document", id);
    else topics.push({ id, query, grades, group: `category ${category}`, answer, category, conversation });
  }
  const name = `${path.basename(source).replace(/\.json$/, "")}-${granularity}s`;
  const documents = [...conversations.keys()].reduce((sum, id) => sum + documentsOf(id).length, 0);
  return openPools(
    {
      name,
      format: "locomo",
      topics,
      notes,
      documents,
      documentsOf: async (topic) => documentsOf((topic as LocomoTopic).conversation),
    },
    options,
  );
}

type Loaded = { conversations: Map<string, Conversation>; questions: Question[] };

async function readFolder(folder: string, notes: Notes): Promise<Loaded> {
  const conversations = new Map<string, Conversation>();
  for (const name of (await readdir(folder)).filter((file) => file.endsWith(".docs.json")).sort()) {
    const file = path.join(folder, name);
    const fields = Object(parseJson(await readFile(file), file)) as Record<string, unknown>;
    conversations.set(String(fields.sample_id ?? name.replace(".docs.json", "")), {
      sessions: readDocuments(fields.sessions, `${file}, sessions`),
      turns: readDocuments(fields.turns, `${file}, turns`),
    });
  }
  const questions: Question[] = [];
  for await (const { value, position } of readJson(path.join(folder, "questions.jsonl"), notes)) {
    const fields = Object(value) as Record<string, unknown>;
    const conversation = String(fields.conversation);
    if (!conversations.has(conversation))
      throw invalid(position, `names the conversation ${conversation}, which has no .docs.json`);
    questions.push(toQuestion(fields, fields.query, fields.gold_turns, conversation, questions.length, position));
  }
  return { conversations, questions };
}

/** An empty list if the file has none: either sessions or turns are retrieved. */
function readDocuments(value: unknown, position: string): RankDocument[] {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return [];
  if (!Array.isArray(value)) throw invalid(position, "must be an array of documents");
  return normalizeRecords(value, position);
}

async function readPublished(file: string, notes: Notes): Promise<Loaded> {
  const conversations = new Map<string, Conversation>();
  const questions: Question[] = [];
  for await (const { value, position } of readJson(file, notes)) {
    const { sample_id, conversation, qa } = Object(value) as Record<string, unknown>;
    if (typeof conversation !== "object" || conversation === null || !Array.isArray(qa)) {
      throw invalid(position, 'has no "conversation" and "qa" as LoCoMo has them');
    }
    const id = String(sample_id);
    conversations.set(id, toConversation(conversation as Record<string, unknown>, position));
    for (const [index, item] of qa.entries()) {
      const fields = Object(item) as Record<string, unknown>;
      questions.push(toQuestion(fields, fields.question, fields.evidence, id, index, `${position}, qa[${index}]`));
    }
  }
  return { conversations, questions };
}

function toConversation(fields: Record<string, unknown>, position: string): Conversation {
  const sessions: RankDocument[] = [];
  const turns: RankDocument[] = [];
  for (let number = 1; fields[`session_${number}`] !== undefined; number++) {
    const said = fields[`session_${number}`];
    if (!Array.isArray(said)) throw invalid(position, `has a session_${number} that is not an array`);
    const title = String(fields[`session_${number}_date_time`] ?? "");
    const lines = said.map((turn: unknown) => {
      const { speaker, text, dia_id, blip_caption } = Object(turn) as Record<string, unknown>;
      const image = typeof blip_caption === "string" ? ` [shares an image: ${blip_caption}]` : "";
      return { id: String(dia_id), ...(title && { title }), text: `${speaker}: ${text}${image}` };
    });
    append(turns, readDocuments(lines, `${position}, session_${number}`));
    sessions.push({ id: `S${number}`, ...(title && { title }), text: lines.map(({ text }) => text).join("\n") });
  }
  return { sessions, turns };
}

function toQuestion(
  fields: Record<string, unknown>,
  query: unknown,
  evidence: unknown,
  conversation: string,
  index: number,
  position: string,
): Question {
  if (typeof query !== "string" || query.trim() === "") throw invalid(position, "has no question");
  const listed = Array.isArray(evidence) ? evidence.map(String) : [];
  // Some published entries name two turns in one text.
  const turns = listed.flatMap((entry) => entry.match(/D\d+:\d+/g) ?? []);
  return {
    id: String(fields.id ?? `${conversation}:${index}`),
    query,
    answer: String(fields.answer ?? fields.adversarial_answer ?? ""),
    category: Number(fields.category),
    conversation,
    turns,
  };
}
