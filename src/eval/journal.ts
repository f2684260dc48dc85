import { appendFileSync, closeSync, openSync } from "node:fs";
import { open, readFile, rm, truncate } from "node:fs/promises";
import { InputError } from "../errors.ts";
import { lockFile } from "../util/lock.ts";
import { unwritable } from "../util/output-file.ts";
import { type Outcome, outcomeKey } from "./outcome.ts";

const FORMAT = "qrhead-eval-journal";
const VERSION = 1;

/** Everything that decides the outcomes: a resumed run must have the same. */
export type RunSettings = Record<string, unknown>;

/**
 * A file of JSON lines: the settings first, then each outcome as it comes. Every line is written in one piece, so a process
 * killed at any moment leaves whole lines and at most one broken line at the end. One process writes at a time.
 */
export class Journal {
  readonly #descriptor: number | null;
  readonly #known: Map<string, Outcome>;
  readonly #unlock: () => void;
  readonly #file: string;

  private constructor(descriptor: number | null, known: Map<string, Outcome>, unlock: () => void, file: string) {
    this.#descriptor = descriptor;
    this.#known = known;
    this.#unlock = unlock;
    this.#file = file;
  }

  /** One without a file, for a run of which nothing is kept. */
  static inMemory(): Journal {
    return new Journal(null, new Map(), () => {}, "");
  }

  /** @throws InputError `INVALID_INPUT` where the file exists, or another process writes it. */
  static create(file: string, settings: RunSettings): Promise<Journal> {
    return locked(file, (unlock) => Journal.#create(file, settings, unlock));
  }

  static async #create(file: string, settings: RunSettings, unlock: () => void): Promise<Journal> {
    const handle = await open(file, "wx", 0o600).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw unwritable(`The file of results ${file}`, error);
      throw new InputError("INVALID_INPUT", `Results ${file} exist: continue with --resume, or choose another folder`);
    });
    try {
      await handle.writeFile(`${JSON.stringify({ format: FORMAT, version: VERSION, settings })}\n`);
    } catch (error) {
      await rm(file, { force: true });
      throw unwritable(`The file of results ${file}`, error);
    } finally {
      await handle.close();
    }
    return new Journal(openSync(file, "a"), new Map(), unlock, file);
  }

  /**
   * Continues a run that ended in whatever way: a line cut short is dropped, and a repeated line counts once.
   *
   * @throws InputError `INVALID_INPUT` where the run had other settings, a line in the middle is broken, or another process
   * writes the file.
   */
  static resume(file: string, settings: RunSettings): Promise<Journal> {
    return locked(file, (unlock) => Journal.#resume(file, settings, unlock));
  }

  static async #resume(file: string, settings: RunSettings, unlock: () => void): Promise<Journal> {
    const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null;
      throw new InputError("INVALID_INPUT", `Results ${file} cannot be read: ${error.message}`);
    });
    const end = bytes === null ? 0 : bytes.lastIndexOf(0x0a) + 1;
    if (bytes === null || end === 0) {
      // Nothing was written, or the process ended within the first line.
      await rm(file, { force: true });
      return Journal.#create(file, settings, unlock);
    }
    const lines = bytes.subarray(0, end).toString("utf8").split("\n").slice(0, -1);
    const known = new Map<string, Outcome>();
    for (const outcome of parseJournal(lines, file, settings)) {
      const key = outcomeKey(outcome);
      if (!known.has(key)) known.set(key, outcome);
    }
    await truncate(file, end);
    return new Journal(openSync(file, "a"), known, unlock, file);
  }

  /** Outcomes of earlier runs and of this one, in the order written. */
  get outcomes(): Outcome[] {
    return [...this.#known.values()];
  }

  get(key: string): Outcome | undefined {
    return this.#known.get(key);
  }

  /** @throws InputError `INVALID_INPUT` where it cannot be written, such as to a full disk. */
  add(outcome: Outcome): void {
    try {
      if (this.#descriptor !== null) appendFileSync(this.#descriptor, `${JSON.stringify(outcome)}\n`);
    } catch (error) {
      throw unwritable(`The file of results ${this.#file}`, error);
    }
    this.#known.set(outcomeKey(outcome), outcome);
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#unlock();
  }
}

async function locked(file: string, open: (unlock: () => void) => Promise<Journal>): Promise<Journal> {
  const unlock = await lockFile(file);
  try {
    return await open(unlock);
  } catch (error) {
    unlock();
    throw error;
  }
}

/** Reads a journal to report from: its settings and its outcomes, each once. */
export async function readJournal(file: string): Promise<{ settings: RunSettings; outcomes: Outcome[] }> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new InputError("INVALID_INPUT", `Results ${file} cannot be read: ${error.message}`);
  });
  const lines = text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .slice(0, -1);
  const known = new Map<string, Outcome>();
  for (const outcome of parseJournal(lines, file)) known.set(outcomeKey(outcome), outcome);
  return { settings: JSON.parse(lines[0]!).settings, outcomes: [...known.values()] };
}

function parseJournal(lines: readonly string[], file: string, settings?: RunSettings): Outcome[] {
  const values = lines.map((line, index) => {
    try {
      return JSON.parse(line);
    } catch (error) {
      throw new InputError(
        "INVALID_INPUT",
        `${file}, line ${index + 1} is not valid JSON (${(error as Error).message})`,
      );
    }
  });
  const [heading, ...outcomes] = values;
  if (heading?.format !== FORMAT || heading.version !== VERSION) {
    throw new InputError("INVALID_INPUT", `${file} holds no results of qrhead eval, version ${VERSION}`);
  }
  if (settings) assertSame(heading.settings, settings, file);
  return outcomes;
}

function assertSame(before: RunSettings, now: RunSettings, file: string): void {
  for (const name of new Set([...Object.keys(before), ...Object.keys(now)])) {
    const [then, here] = [JSON.stringify(before[name]), JSON.stringify(now[name])];
    if (then === here) continue;
    throw new InputError(
      "INVALID_INPUT",
      `${file} began with ${name} ${then ?? "unset"} but this run has ${here ?? "unset"}: ` +
        "resume with the options of the first run, or choose another folder",
    );
  }
}
