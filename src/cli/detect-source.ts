import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { BOOTSTRAP_DOCUMENTS, BOOTSTRAP_EXAMPLES, bootstrapExamples, type Needle } from "../detect/bootstrap.ts";
import { fittingExamples } from "../detect/bootstrap-fit.ts";
import { BOOTSTRAP_TEXT } from "../detect/bootstrap-text.ts";
import { type DetectionExampleInput, parseExamples } from "../detect/examples.ts";
import { InputError } from "../errors.ts";
import { seededRandom, shuffled } from "../heads/heads.ts";
import type { LoadOptions } from "../options.ts";
import { decodeText } from "../util/text-file.ts";
import { readInput, STDIN_NAME } from "./input.ts";
import { heard } from "./interrupt.ts";
import { note, warn } from "./output.ts";

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
export async function readSource(
  flags: SourceFlags & { quiet?: boolean },
  load: LoadOptions & { signal: AbortSignal },
): Promise<ExampleSource> {
  const { signal } = load;
  const { examples, bootstrap } = flags;
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
      "Expected examples: pass --examples FILE, --examples - for standard input, or --bootstrap to make some from text",
    );
  }
  const name = examples === "-" ? STDIN_NAME : examples;
  return {
    examples: parseExamples(await readInput(examples, "Examples file", signal), name),
    sourceName: path.basename(name),
  };
}

async function bootstrapSource(
  flags: SourceFlags & { quiet?: boolean },
  from: string | true,
  load: LoadOptions & { signal: AbortSignal },
): Promise<ExampleSource> {
  const { needle, limit = BOOTSTRAP_EXAMPLES, seed } = flags;
  const { signal } = load;
  const texts = from === true ? [BOOTSTRAP_TEXT] : await heard(readTexts(from, seed ?? 0, signal), signal);
  const sourceName = from === true ? "the text that comes with qrhead" : from;
  const options = { needle, examples: limit, seed, sourceName };
  const { examples, documents } =
    flags.documents === undefined
      ? await fittingExamples(texts, options, load)
      : { examples: bootstrapExamples(texts, { ...options, documents: flags.documents }), documents: flags.documents };
  if (documents < BOOTSTRAP_DOCUMENTS && flags.documents === undefined && !flags.quiet) {
    note(`${documents} documents in each example: the context or the text holds no more`);
  }
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
    try {
      const text = decodeText(await readFile(file, { signal }), file);
      texts.push(text);
      characters += text.length;
    } catch (error) {
      // One file of another kind does not make a folder useless.
      if (!(error instanceof InputError)) throw error;
      warn(`${error.message}; it is left out`);
    }
  }
  return texts;
}

async function readText(file: string, signal: AbortSignal): Promise<string> {
  const text = decodeText(await readInput(file, "Bootstrap text", signal), file === "-" ? STDIN_NAME : file);
  return text.slice(0, MAX_CHARACTERS);
}
