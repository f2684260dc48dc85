import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { InputError } from "../errors.ts";
import { counted } from "../util/counted.ts";
import { lockFile } from "../util/lock.ts";
import { unwritable } from "../util/output-file.ts";
import { zod } from "../util/zod.ts";
import { type DetectionExample, goldIndexes } from "./examples.ts";
import type { ExampleScores } from "./objectives.ts";

/** What must be the same for two runs to give an example the same scores. Values are compared as JSON. */
export type CheckpointKey = Readonly<Record<string, string | number | boolean | null>>;

/** Advice for callers of the library. A command with a switch for it replaces these words. */
export const BEGIN_ANEW = "remove the file to start over";

/** Scores of one example as a line holds them: little-endian float32 in base64. */
const recordSchema = () => {
  const z = zod();
  return z.object({
    id: z.string(),
    digest: z.string(),
    documents: z.int().positive(),
    scores: z.base64(),
    ranking: z.base64().optional(),
    masses: z.base64(),
  });
};

const headerSchema = () => {
  const z = zod();
  return z.object({
    format: z.literal("qrhead-detection"),
    version: z.literal(2),
    run: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  });
};

/** A file that the scores of each example are appended to as soon as they are known. */
export type Checkpoint = {
  /** Scores of the first examples, from an earlier run. */
  known: ExampleScores[];
  /** Writes one more; it is on the disk when the promise resolves. */
  append(example: DetectionExample, scores: ExampleScores): Promise<void>;
  close(): Promise<void>;
};

/**
 * Opens a checkpoint: JSON Lines, a header that says what was computed and one line per example in the order of the run.
 *
 * A line without its end, which a killed process may leave, is cut off. Each line names its example by a digest of query,
 * documents and gold, so that no example can be counted twice or taken for another.
 *
 * @param heads Rows that every example's scores must have.
 * @param resume Take up what is there; without it a file that holds examples is an error.
 * @throws InputError `INVALID_INPUT` for a file that holds examples and is not to be resumed, is no checkpoint, is of another
 * run or of other examples, or is damaged; where another process writes it, or it cannot be written.
 */
export async function openCheckpoint(
  file: string,
  key: CheckpointKey,
  options: { examples: readonly DetectionExample[]; heads: number; resume: boolean },
): Promise<Checkpoint> {
  const unlock = await lockFile(file);
  try {
    const { close, ...checkpoint } = await openLocked(file, key, options);
    return { ...checkpoint, close: () => close().finally(unlock) };
  } catch (error) {
    unlock();
    throw error;
  }
}

/** Removes a checkpoint. @throws InputError `INVALID_INPUT` where another process writes it. */
export async function removeCheckpoint(file: string): Promise<void> {
  const unlock = await lockFile(file);
  try {
    await rm(file, { force: true });
  } catch (error) {
    throw unwritable(`Checkpoint ${file}`, error);
  } finally {
    unlock();
  }
}

async function openLocked(
  file: string,
  key: CheckpointKey,
  { examples, heads, resume }: Parameters<typeof openCheckpoint>[2],
): Promise<Checkpoint> {
  const handle = await openFile(file);
  try {
    const content = await handle.readFile();
    const end = content.lastIndexOf(0x0a) + 1;
    const lines = content.subarray(0, end).toString("utf8").split("\n").slice(0, -1);
    if (lines.length === 0) assertMayBegin(file, content.toString("utf8"));
    else if (resume) assertSameRun(file, lines[0]!, key);
    else assertEmpty(file, lines);
    if (!resume) lines.length = 0;
    const known = lines
      .slice(1)
      .map((line, index) => readRecord(line, `${file}, line ${index + 2}`, examples[index], heads));
    if (lines.length === 0) await handle.truncate(0);
    else if (end < content.length) await handle.truncate(end);
    const write = async (value: unknown) => {
      try {
        await handle.appendFile(`${JSON.stringify(value)}\n`);
        await handle.datasync();
      } catch (error) {
        throw unwritable(`Checkpoint ${file}`, error);
      }
    };
    if (lines.length === 0) await write({ format: "qrhead-detection", version: 2, run: key });
    return { known, append: (example, scores) => write(toRecord(example, scores)), close: () => handle.close() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function openFile(file: string): Promise<FileHandle> {
  try {
    // Windows has no such flag, and links there only for administrators.
    const { O_APPEND, O_CREAT, O_RDWR, O_NOFOLLOW = 0 } = constants;
    return await open(file, O_APPEND | O_CREAT | O_RDWR | O_NOFOLLOW, 0o600);
  } catch (error) {
    throw unwritable(`Checkpoint ${file}`, error);
  }
}

/** Only a checkpoint without examples may be begun anew without `resume`. */
function assertEmpty(file: string, lines: readonly string[]): void {
  if (!headerSchema().safeParse(parseJson(lines[0]!)).success) throw notACheckpoint(file);
  if (lines.length === 1) return;
  throw new InputError(
    "INVALID_INPUT",
    `Checkpoint ${file} holds ${counted(lines.length - 1, "example")} of an unfinished run`,
    {
      advice: `continue it with resume: true, or ${BEGIN_ANEW}`,
    },
  );
}

/** A file without a whole line is new, or was cut off in its first line. Any other content belongs to somebody else. */
function assertMayBegin(file: string, content: string): void {
  const start = '{"format":"qrhead-detection"';
  if (!start.startsWith(content.slice(0, start.length))) throw notACheckpoint(file);
}

function assertSameRun(file: string, line: string, key: CheckpointKey): void {
  const header = headerSchema().safeParse(parseJson(line));
  if (!header.success) throw notACheckpoint(file);
  const { run } = header.data;
  const name = [...new Set([...Object.keys(key), ...Object.keys(run)])].find((field) => run[field] !== key[field]);
  if (name === undefined) return;
  throw new InputError(
    "INVALID_INPUT",
    `Checkpoint ${file} is from another run: its ${name} is ${JSON.stringify(run[name])}, but ${JSON.stringify(key[name])} ` +
      "is requested now",
    { advice: `give the same options, or ${BEGIN_ANEW}` },
  );
}

function readRecord(
  line: string,
  position: string,
  example: DetectionExample | undefined,
  heads: number,
): ExampleScores {
  const fail = (what: string) =>
    new InputError("INVALID_INPUT", `${position} ${what}`, {
      advice: `give the examples of that run, or ${BEGIN_ANEW}`,
    });
  const parsed = recordSchema().safeParse(parseJson(line));
  if (!parsed.success) throw fail("is damaged");
  const { id, digest, documents, scores, ranking, masses } = parsed.data;
  if (!example) throw fail(`has the scores of ${JSON.stringify(id)}, which is not among the examples`);
  if (digest !== digestOf(example)) {
    throw fail(`has the scores of ${JSON.stringify(id)} where those of ${JSON.stringify(example.id)} were expected`);
  }
  const decoded = toFloats(scores);
  const other = ranking === undefined ? decoded : toFloats(ranking);
  if (decoded?.length !== heads * documents || other?.length !== heads * documents) {
    throw fail(`does not have ${heads} × ${documents} scores`);
  }
  const seen = toFloats(masses);
  if (seen?.length !== heads) throw fail(`does not have the attention of ${counted(heads, "head")}`);
  return { scores: decoded, ranking: other, masses: seen, documents, gold: goldIndexes(example) };
}

function toRecord(example: DetectionExample, { scores, ranking, masses, documents }: ExampleScores) {
  return {
    id: example.id,
    digest: digestOf(example),
    documents,
    scores: toBase64(scores),
    ...(ranking !== scores && { ranking: toBase64(ranking) }),
    masses: toBase64(masses),
  };
}

function digestOf({ id, query, docs, gold }: DetectionExample): string {
  const content = JSON.stringify([id, query, docs.map(({ id, title, text }) => [id, title ?? null, text]), gold]);
  return createHash("sha256").update(content).digest("hex").slice(0, 32);
}

function toBase64(values: Float32Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("base64");
}

/** null where the bytes are no whole number of floats. */
function toFloats(text: string): Float32Array | null {
  const bytes = Buffer.from(text, "base64");
  return bytes.length % 4 === 0 ? new Float32Array(Uint8Array.from(bytes).buffer) : null;
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function notACheckpoint(file: string): InputError {
  return new InputError("INVALID_INPUT", `${file} is not a checkpoint of qrhead detect: pass another path`);
}
