import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { BOOTSTRAP_DOCUMENTS, BOOTSTRAP_EXAMPLES, bootstrapExamples, type Needle } from "../detect/bootstrap.ts";
import { fittingExamples } from "../detect/bootstrap-fit.ts";
import { BOOTSTRAP_TEXT } from "../detect/bootstrap-text.ts";
import { type DetectionExampleInput, parseExamples } from "../detect/examples.ts";
import { InputError } from "../errors.ts";
import { seededRandom, shuffled } from "../heads/heads.ts";
import type { LoadOptions } from "../options.ts";
import { counted } from "../util/counted.ts";
import { decodeText } from "../util/text-file.ts";
import { nameOf, readInput, STDIN_NAME } from "./input.ts";
import { heard } from "./interrupt.ts";
import { note, warn } from "./output.ts";
import { isPiped } from "./query.ts";
import { expand, isFolder } from "./sources.ts";

/** Files of a folder that are text to find heads with. */
const TEXT_FILE = /\.(txt|md)$/i;
/** Characters of text that are used. Beyond that, whole files are left out at random. */
const MAX_CHARACTERS = 4_000_000;

export type SourceFlags = {
  examples?: string;
  /** `true` for the option without a value. */
  bootstrap?: string | true;
  /** Files and folders that are named as arguments. */
  files?: string[];
  needle?: Needle;
  documents?: number;
  limit?: number;
  seed?: number;
};

/** Examples, and what the head set calls them. */
export type ExampleSource = { examples: readonly DetectionExampleInput[]; sourceName: string };

/** @throws InputError for neither or both of `--examples` and `--bootstrap`, or an input that cannot be used. */
export async function readSource(
  flags: SourceFlags & { quiet?: boolean },
  load: LoadOptions & { signal: AbortSignal },
): Promise<ExampleSource> {
  const { signal } = load;
  const { examples, bootstrap } = named(flags);
  if (examples !== undefined && bootstrap !== undefined) {
    throw new InputError("INVALID_ARGUMENT", "Expected --examples or --bootstrap but received both");
  }
  if (bootstrap !== undefined) return bootstrapSource(flags, bootstrap, load);
  for (const name of ["needle", "documents"] as const) {
    if (flags[name] !== undefined) throw new InputError("INVALID_ARGUMENT", `Option --${name} is for --bootstrap only`);
  }
  if (examples === undefined) {
    throw new InputError(
      "INVALID_ARGUMENT",
      "Expected examples: pass a file, --examples - for standard input, or --bootstrap to make some from text",
    );
  }
  const name = examples === "-" ? STDIN_NAME : examples;
  return {
    examples: parseExamples(await readInput(examples, "Examples file", signal), name),
    sourceName: path.basename(name),
  };
}

/** What the flags and the arguments name: a JSON file has examples, other files and folders are text. */
function named({ examples, bootstrap, files = [] }: SourceFlags): { examples?: string; bootstrap?: true | string[] } {
  const texts = typeof bootstrap === "string" ? [bootstrap, ...files] : files;
  const isExamples = bootstrap === undefined && files.length === 1 && /\.jsonl?$/i.test(files[0]!);
  const found = examples ?? (isExamples ? files[0] : undefined);
  const made = isExamples && examples === undefined ? undefined : texts.length > 0 ? texts : bootstrap && true;
  if (found === undefined && made === undefined && isPiped()) return { examples: "-" };
  return { ...(found !== undefined && { examples: found }), ...(made && { bootstrap: made }) };
}

async function bootstrapSource(
  flags: SourceFlags & { quiet?: boolean },
  from: true | string[],
  load: LoadOptions & { signal: AbortSignal },
): Promise<ExampleSource> {
  const { needle, limit = BOOTSTRAP_EXAMPLES, seed } = flags;
  const { signal } = load;
  const texts =
    from === true
      ? [BOOTSTRAP_TEXT]
      : await heard(readTexts((await Promise.all(from.map(expand))).flat(), seed ?? 0, signal), signal);
  const sourceName = from === true ? "the text that comes with qrhead" : from.join(", ");
  const options = { needle, examples: limit, seed, sourceName };
  const { examples, documents } =
    flags.documents === undefined
      ? await fittingExamples(texts, options, load)
      : { examples: bootstrapExamples(texts, { ...options, documents: flags.documents }), documents: flags.documents };
  if (documents < BOOTSTRAP_DOCUMENTS && flags.documents === undefined && !flags.quiet) {
    note(`${counted(documents, "document")} in each example: the context or the text holds no more`);
  }
  const text = from === true ? sourceName : from.map((one) => path.basename(nameOf(one))).join(", ");
  return { examples, sourceName: `bootstrap (${needle ?? "mixed"}) of ${text}` };
}

/** The texts of files, and of every .txt and .md file in folders and their folders. */
async function readTexts(from: readonly string[], seed: number, signal: AbortSignal): Promise<string[]> {
  const [only] = from;
  if (from.length === 1 && !(await isFolder(only!))) return [await readText(only!, signal)];
  const files: string[] = [];
  for (const one of from) files.push(...((await isFolder(one)) ? await textsIn(one) : [one]));
  const texts: string[] = [];
  let characters = 0;
  for (const file of shuffled(files, seededRandom(seed))) {
    if (characters >= MAX_CHARACTERS) break;
    try {
      const text = decodeText(await readFile(file, { signal }), file);
      texts.push(text);
      characters += text.length;
    } catch (error) {
      // A folder may hold files of another kind.
      if (!(error instanceof InputError)) throw error;
      warn(`${error.message}; it is left out`);
    }
  }
  return texts;
}

async function textsIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && TEXT_FILE.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name));
  if (files.length > 0) return files.sort();
  throw new InputError(
    "INVALID_INPUT",
    `Bootstrap folder ${folder} has no .txt or .md files: pass a folder that has some`,
  );
}

async function readText(file: string, signal: AbortSignal): Promise<string> {
  const text = decodeText(await readInput(file, "Bootstrap text", signal), file === "-" ? STDIN_NAME : file);
  return text.slice(0, MAX_CHARACTERS);
}
