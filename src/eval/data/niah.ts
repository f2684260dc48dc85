import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import type { RankDocument } from "../../types.ts";
import type { CandidateOptions, Task, Topic } from "../types.ts";
import { invalid, Notes } from "./notes.ts";
import { openPools } from "./pool-task.ts";
import { decodeLine, readJson, readLines } from "./records.ts";

export type NeedleOptions = {
  /** Words of the haystacks. Defaults to `[500, 1000, 2000]`. */
  lengths?: readonly number[] | undefined;
  /** Places of the needle, 0 at the beginning and 1 at the end. Defaults to `[0, 0.25, 0.5, 0.75, 1]`. */
  depths?: readonly number[] | undefined;
  /** Words of the passages that a haystack is cut into. Defaults to `100`. */
  passageWords?: number | undefined;
};

const DEFAULT_LENGTHS = [500, 1000, 2000];
const DEFAULT_DEPTHS = [0, 0.25, 0.5, 0.75, 1];
const DEFAULT_PASSAGE_WORDS = 100;

/** Where a needle stands: what the grid of a report is made of. */
type NeedleTopic = Topic & { length: number; depth: number };

type Needle = { question: string; needle: string };

/**
 * Makes needle-in-a-haystack tasks of a folder with `needles.jsonl` (`needle`, `question`) and texts in `essays/`, as Wu
 * et al. 2025 do: the texts one after another, cut to a length, with the needle put in after the sentence that ends next
 * to its depth. The haystack is cut into passages at sentence ends, and the passage with the needle is to be found.
 */
export async function openNeedles(folder: string, options: CandidateOptions & NeedleOptions): Promise<Task> {
  const { lengths = DEFAULT_LENGTHS, depths = DEFAULT_DEPTHS, passageWords = DEFAULT_PASSAGE_WORDS } = options;
  const notes = new Notes();
  const needles: Needle[] = [];
  for await (const { value, position } of readJson(path.join(folder, "needles.jsonl"), notes)) {
    const { question, needle } = Object(value) as Record<string, unknown>;
    if (typeof question !== "string" || typeof needle !== "string")
      throw invalid(position, 'has no "question" and "needle" that are texts');
    needles.push({ question, needle });
  }
  const sentences = await readSentences(path.join(folder, "essays"));
  const made = new Map<string, RankDocument[]>();
  const topics: NeedleTopic[] = [];
  for (const length of lengths) {
    for (const depth of depths) {
      for (const [number, { question, needle }] of needles.entries()) {
        const id = `needle${number + 1}-words${length}-depth${depth}`;
        const { documents, found } = makeHaystack(sentences, needle, length, depth, passageWords);
        made.set(id, documents);
        topics.push({
          id,
          query: question,
          grades: new Map([[found, 1]]),
          group: `${length} words, depth ${depth}`,
          length,
          depth,
        });
      }
    }
  }
  const name = path.basename(path.resolve(folder));
  const documentsOf = async ({ id }: Topic) => made.get(id)!;
  return openPools({ name, format: "niah", topics, notes, documentsOf }, options);
}

/** Passages of a haystack of about `length` words with the needle at `depth`, and the id of the one that holds it. */
export function makeHaystack(
  sentences: readonly string[],
  needle: string,
  length: number,
  depth: number,
  passageWords: number,
) {
  const chosen: string[] = [];
  let words = 0;
  // If a haystack is longer than all essays, they are repeated from the first.
  for (let i = 0; words < length; i++) {
    const sentence = sentences[i % sentences.length]!;
    chosen.push(sentence);
    words += countWords(sentence);
  }
  let [before, at] = [0, 0];
  while (at < chosen.length && before + countWords(chosen[at]!) / 2 <= depth * words)
    before += countWords(chosen[at++]!);
  chosen.splice(at, 0, needle);

  const documents: RankDocument[] = [];
  let found = "";
  let passage: string[] = [];
  for (const [i, sentence] of chosen.entries()) {
    passage.push(sentence);
    if (i === at) found = String(documents.length);
    if (i === chosen.length - 1 || countWords(passage.join(" ")) >= passageWords) {
      documents.push({ id: String(documents.length), text: passage.join(" ") });
      passage = [];
    }
  }
  return { documents, found };
}

async function readSentences(folder: string): Promise<string[]> {
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) throw invalid(`Folder ${folder}`, "does not exist");
  const names = (await readdir(folder)).filter((name) => name.endsWith(".txt")).sort();
  const segmenter = new Intl.Segmenter("en", { granularity: "sentence" });
  const sentences: string[] = [];
  for (const name of names) {
    const lines: string[] = [];
    for await (const { bytes, position } of readLines(path.join(folder, name))) lines.push(decodeLine(bytes, position));
    const text = lines.join(" ").replace(/\s+/g, " ");
    for (const { segment } of segmenter.segment(text)) if (segment.trim() !== "") sentences.push(segment.trim());
  }
  if (sentences.length === 0) throw invalid(`Folder ${folder}`, "has no text in files that end in .txt");
  return sentences;
}

function countWords(text: string): number {
  return text.split(/\s+/).filter(Boolean).length;
}
