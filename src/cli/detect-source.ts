import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { BOOTSTRAP_EXAMPLES, bootstrapExamples, type Needle } from "../detect/bootstrap.ts";
import { BOOTSTRAP_TEXT } from "../detect/bootstrap-text.ts";
import { type DetectionExampleInput, parseExamples } from "../detect/examples.ts";
import { decodeText } from "../documents/documents.ts";
import { InputError } from "../errors.ts";
import { seededRandom, shuffled } from "../heads/heads.ts";
import { readInput, STDIN_NAME } from "./input.ts";

/** Files of a folder that are text to find heads with. */
const TEXT_FILE = /\.(txt|md)$/i;
/** Characters of text that are looked at; what is more is left out, whole files at random. */
const MAX_CHARACTERS = 4_000_000;

export type SourceFlags = {
  examples?: string;
  /** `true` for the option without a value. */
  bootstrap?: string | true;
  needle?: Needle;
  documents?: number;
  limit?: number;
  seed?: number;
};

/** Examples, and what the head set calls them. */
export type ExampleSource = { examples: readonly DetectionExampleInput[]; sourceName: string };

/** @throws InputError for neither or both of `--examples` and `--bootstrap`, or an input that cannot be used. */
export async function readSource(flags: SourceFlags, signal: AbortSignal): Promise<ExampleSource> {
  const { examples, bootstrap } = flags;
  if (examples !== undefined && bootstrap !== undefined) {
    throw new InputError("INVALID_ARGUMENT", "Expected --examples or --bootstrap but received both");
  }
  if (bootstrap !== undefined) return bootstrapSource(flags, bootstrap, signal);
  for (const name of ["needle", "documents"] as const) {
    if (flags[name] !== undefined) throw new InputError("INVALID_ARGUMENT", `Option --${name} is for --bootstrap only`);
  }
  if (examples === undefined) {
    throw new InputError(
      "INVALID_ARGUMENT",
      "Expected examples: pass --examples FILE, --examples - for standard input, or --bootstrap to make some from text",
    );
  }
  const name = examples === "-" ? STDIN_NAME : examples;
  return {
    examples: parseExamples(await readInput(examples, "Examples file", signal), name),
    sourceName: path.basename(name),
  };
}

async function bootstrapSource(flags: SourceFlags, from: string | true, signal: AbortSignal): Promise<ExampleSource> {
  const { needle, documents, limit = BOOTSTRAP_EXAMPLES, seed } = flags;
  const texts = from === true ? [BOOTSTRAP_TEXT] : await readTexts(from, seed ?? 0, signal);
  const sourceName = from === true ? "the text that comes with qrhead" : from;
  const examples = bootstrapExamples(texts, { needle, documents, examples: limit, seed, sourceName });
  const text = from === true ? sourceName : from === "-" ? STDIN_NAME : path.basename(from);
  return { examples, sourceName: `bootstrap (${needle ?? "mixed"}) of ${text}` };
}

/** The texts of a file, or of every .txt and .md file in a folder and its folders. */
async function readTexts(from: string, seed: number, signal: AbortSignal): Promise<string[]> {
  const found = await stat(from).catch(() => undefined);
  if (!found?.isDirectory()) return [await readText(from, signal)];
  const entries = await readdir(from, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && TEXT_FILE.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
  if (files.length === 0) {
    throw new InputError(
      "INVALID_INPUT",
      `Bootstrap folder ${from} has no .txt or .md files: pass a folder that has some`,
    );
  }
  const texts: string[] = [];
  let characters = 0;
  for (const file of shuffled(files, seededRandom(seed))) {
    if (characters >= MAX_CHARACTERS) break;
    const text = decodeText(await readFile(file, { signal }), file);
    texts.push(text);
    characters += text.length;
  }
  return texts;
}

async function readText(file: string, signal: AbortSignal): Promise<string> {
  const text = decodeText(await readInput(file, "Bootstrap text", signal), file === "-" ? STDIN_NAME : file);
  return text.slice(0, MAX_CHARACTERS);
}
