import path from "node:path";
import type { GRANULARITIES } from "../../options/choices.ts";
import type { RankDocument } from "../../types.ts";
import type { CandidateOptions, Task, Topic } from "../types.ts";
import { invalid, Notes } from "./notes.ts";
import { Places } from "./places.ts";
import { openPools } from "./pool-task.ts";
import { parseJson, readJson } from "./records.ts";

export type Granularity = (typeof GRANULARITIES)[number];

type Turn = { role: string; content: string; has_answer?: boolean };
type Unit = RankDocument & { relevant: boolean };
type Place = { offset: number; length: number; position: string };

/**
 * Opens LongMemEval (arXiv 2410.10813): an array of questions with `haystack_sessions`, `haystack_session_ids`,
 * `haystack_dates` and `answer_session_ids`. A unit's title is its date; relevant are the rounds with a turn marked
 * `has_answer`, or the answer's sessions. Questions without an answer (`_abs`) are left out, as in the benchmark.
 */
export async function openLongMemEval(
  file: string,
  options: CandidateOptions & { granularity?: Granularity | undefined },
): Promise<Task> {
  const granularity = options.granularity ?? "round";
  const notes = new Notes();
  const bytes = await Places.of(file);
  const topics: Topic[] = [];
  const places = new Map<string, Place>();
  try {
    for await (const { value, ...place } of readJson(file, notes, bytes)) {
      const fields = Object(value) as Record<string, unknown>;
      const { question_id: id, question } = fields;
      if (typeof id !== "string" || typeof question !== "string") {
        throw invalid(place.position, 'has no "question_id" and "question" that are texts');
      }
      const units = toUnits(fields, granularity, place.position);
      const relevant = units.filter((unit) => unit.relevant);
      if (id.endsWith("_abs")) notes.add("questions that cannot be answered", id);
      else if (places.has(id)) notes.add("queries whose id another one has, the first kept", id);
      else if (relevant.length === 0) notes.add("queries without a relevant document", id);
      else {
        places.set(id, place);
        const group = typeof fields.question_type === "string" ? { group: fields.question_type } : {};
        topics.push({ id, query: question, grades: new Map(relevant.map((unit) => [unit.id, 1])), ...group });
      }
    }
    const close = () => bytes[Symbol.asyncDispose]();
    const documentsOf = async ({ id }: Topic) => {
      const { offset, length, position } = places.get(id)!;
      const fields = parseJson(await bytes.read(offset, length, position), position) as Record<string, unknown>;
      return toUnits(fields, granularity, position).map(({ relevant: _, ...document }) => document);
    };
    const name = `${path.basename(file).replace(/\.(jsonl|json|gz)+$/, "")}-${granularity}s`;
    return await openPools({ name, format: "longmemeval", topics, notes, documentsOf, close }, options);
  } catch (error) {
    await bytes[Symbol.asyncDispose]();
    throw error;
  }
}

function toUnits(fields: Record<string, unknown>, granularity: Granularity, position: string): Unit[] {
  const { haystack_sessions: sessions, haystack_session_ids: ids, haystack_dates: dates, answer_session_ids } = fields;
  if (!Array.isArray(sessions) || !sessions.every(isSession)) {
    throw invalid(position, 'has no "haystack_sessions" that are arrays of {"role", "content"}');
  }
  const idOf = (index: number) => String((Array.isArray(ids) ? ids[index] : undefined) ?? index);
  const answers = new Set(Array.isArray(answer_session_ids) ? answer_session_ids.map(String) : []);
  return sessions.flatMap((session, index) => {
    const date: unknown = Array.isArray(dates) ? dates[index] : undefined;
    const title = typeof date === "string" && date !== "" ? { title: date } : {};
    // One session may stand in a haystack twice.
    const id = `${index}:${idOf(index)}`;
    if (granularity === "session") return [{ id, ...title, text: write(session), relevant: answers.has(idOf(index)) }];
    return cutIntoUnits(session, granularity).map((turns, number) => {
      const relevant = turns.some((turn) => turn.has_answer === true);
      return { id: `${id}:${number}`, ...title, text: write(turns), relevant };
    });
  });
}

/** A round begins with every turn of the user. */
function cutIntoUnits(session: readonly Turn[], granularity: Granularity): Turn[][] {
  const units: Turn[][] = [];
  for (const turn of session) {
    if (granularity === "turn" || turn.role === "user" || units.length === 0) units.push([]);
    units.at(-1)!.push(turn);
  }
  return units;
}

function write(turns: readonly Turn[]): string {
  return turns.map(({ role, content }) => `${role}: ${content}`).join("\n");
}

function isSession(value: unknown): value is Turn[] {
  return (
    Array.isArray(value) &&
    value.every(
      (turn) =>
        typeof turn === "object" &&
        turn !== null &&
        typeof (turn as Turn).content === "string" &&
        typeof (turn as Turn).role === "string",
    )
  );
}
