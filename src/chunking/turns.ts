import type { ChunkOptions } from "../options/types/texts.ts";
import type { Steps } from "../util/in-slices.ts";
import { linesOf, STEP_LINES } from "./lines.ts";
import { isLabel, isRole, LOOK, type SpeakerStyle, speakerKey, speakerLines, templateMarks } from "./speaker-lines.ts";
import { structuresOf } from "./structures.ts";

/** What one speaker says at a stretch: from the line that names the speaker to the next speaker's. */
export type Turn = { begin: number; end: number; speaker: string };

export type TurnOptions = Pick<ChunkOptions, "turn" | "speakers">;

type Candidate = { begin: number; name: string; key: string; style: SpeakerStyle };

/** Styles that prose does not have by chance. */
const STRUCTURED: readonly SpeakerStyle["kind"][] = ["template", "json", "attribute"];

/**
 * The turns of a conversation, in order; none where nobody speaks. What stands before the first belongs to none.
 *
 * A name begins a turn where it stands at the beginning of a line as chats and transcripts write it: `Ann: …`, with a time, a
 * mark of a list or quote, a picture or a remark in brackets; `<Ann> …`, `<Ann>…</Ann>`, a heading or a bold line, `ANN — …`,
 * or after a mark of a chat template. It counts as a speaker when it speaks twice, is a role such as `user`, or is named by
 * the caller; all speakers of a text are written alike. Labels such as `Note:` are no speakers, nor is anybody in fenced code.
 */
export function* turnsOf(text: string, options: TurnOptions = {}): Steps<Turn[]> {
  const { turn, speakers = [] } = options;
  const begins = yield* turn ? matchedLines(text, turn) : spokenLines(text, speakers);
  return begins.map(({ begin, name }, index) => ({
    begin,
    end: begins[index + 1]?.begin ?? text.length,
    speaker: name,
  }));
}

/** Whether two names are of one speaker: case, pictures, `@` and remarks in brackets do not matter. */
export function isSameSpeaker(a: string, b: string): boolean {
  return speakerKey(a) === speakerKey(b);
}

function* matchedLines(text: string, pattern: RegExp): Steps<Pick<Candidate, "begin" | "name">[]> {
  const { begins, ends } = yield* linesOf(text);
  const once = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""));
  const found: Pick<Candidate, "begin" | "name">[] = [];
  for (const [index, begin] of begins.entries()) {
    if (index % STEP_LINES === 0) yield;
    const line = text.slice(begin, Math.min(ends[index]!, begin + LOOK));
    const match = once.exec(line);
    if (match?.index !== 0) continue;
    found.push({
      begin,
      name: match.groups?.speaker ?? match[1] ?? speakerLines(line)[0]?.name ?? match[0].trim(),
    });
  }
  return found;
}

function* spokenLines(text: string, named: readonly string[]): Steps<Candidate[]> {
  const wanted = new Set(named.map(speakerKey));
  const candidates = yield* candidatesOf(text);
  const groups = new Map<string, Candidate[]>();
  let count = 0;
  for (const candidate of candidates) {
    const { kind, stamped, listed, quoted } = candidate.style;
    const group = `${kind} ${stamped} ${listed} ${quoted}`;
    const members = groups.get(group);
    if (members) members.push(candidate);
    else groups.set(group, [candidate]);
    if (++count % STEP_LINES === 0) yield;
  }
  let best: { rank: number; kind: SpeakerStyle["kind"]; speakers: Set<string>; spoken: Candidate[] } | undefined;
  for (const group of groups.values()) {
    const speakers = speakersOf(group, wanted);
    for (const key of betweenRoles(group, speakers)) speakers.add(key);
    const spoken = group.filter(({ key }) => speakers.has(key));
    if (spoken.length === 0) continue;
    const { kind } = group[0]!.style;
    const isNamed = spoken.some(({ key }) => wanted.has(key));
    const isStructured = STRUCTURED.includes(kind) || spoken.some(({ key }) => isRole(key));
    const rank = spoken.length + (isNamed ? 2e9 : 0) + (isStructured ? 1e9 : 0);
    if (!best || rank > best.rank) best = { rank, kind, speakers, spoken };
  }
  if (!best) return [];
  // A speaker may have another turn after a dash or a time. A quoted name is not speaking.
  const { kind, speakers } = best;
  const quoted = best.spoken[0]!.style.quoted;
  return candidates.filter(({ key, style }) => style.kind === kind && style.quoted === quoted && speakers.has(key));
}

/** The names of one style that are speakers. */
function speakersOf(group: readonly Candidate[], wanted: ReadonlySet<string>): Set<string> {
  const counts = new Map<string, number>();
  for (const { key } of group) counts.set(key, (counts.get(key) ?? 0) + 1);
  const { kind } = group[0]!.style;
  const roles = [...counts.keys()].filter(isRole);
  // Beside two roles others are labels of an answer: "Pros:", "Step 1:".
  const isModel = roles.length >= 2;
  return new Set(
    [...counts].flatMap(([key, count]) => {
      if (wanted.has(key)) return [key];
      if (isRole(key)) return isModel || count > 1 || wanted.size > 0 ? [key] : [];
      return count > 1 && !isModel && !isLabel(key, kind) ? [key] : [];
    }),
  );
}

/** A name that speaks once between two turns of one role is a speaker, because a role does not follow itself. */
function betweenRoles(group: readonly Candidate[], speakers: ReadonlySet<string>): string[] {
  const keys = group.map(({ key }) => key);
  return keys.filter(
    (key, index) =>
      !speakers.has(key) &&
      !isLabel(key, group[index]!.style.kind) &&
      isRole(keys[index - 1] ?? "") &&
      keys[index - 1] === keys[index + 1] &&
      speakers.has(keys[index - 1]!),
  );
}

function* candidatesOf(text: string): Steps<Candidate[]> {
  const lines = yield* linesOf(text);
  const fences = (yield* structuresOf(text, lines)).filter(({ kind, frame }) => kind === "fence" && frame.length > 1);
  const found: Candidate[] = [];
  for (const { begin, name } of templateMarks(text)) {
    found.push({
      begin,
      name,
      key: speakerKey(name),
      style: { kind: "template", stamped: false, listed: false, quoted: false },
    });
  }
  let fence = 0;
  for (const [index, begin] of lines.begins.entries()) {
    if (index % STEP_LINES === 0) yield;
    while (fence < fences.length && fences[fence]!.end <= begin) fence++;
    if (fence < fences.length && fences[fence]!.begin <= begin) continue;
    const line = text.slice(begin, Math.min(lines.ends[index]!, begin + LOOK));
    for (const { style, name } of speakerLines(line)) found.push({ begin, name, key: speakerKey(name), style });
  }
  return found;
}
