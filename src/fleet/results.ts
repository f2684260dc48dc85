import { createReadStream } from "node:fs";
import { type FileHandle, open, rm, stat } from "node:fs/promises";
import { createInterface } from "node:readline";
import { InputError } from "../errors.ts";
import { lockFile } from "../util/lock.ts";
import { assertWritable, makeOutput, unwritable } from "../util/output-file.ts";
import type { RerankValue } from "./rerank.ts";

/** A line of the results: what became of one query. */
export type ResultLine = {
  id: string;
  query: string;
  /** Digest of query, documents and options. */
  job: string;
  attempts: number;
} & ((RerankValue & { worker: string }) | { error: { code: string; message: string } });

/** A line of an earlier run, as it stands in the file. */
export type KnownLine = { text: string; line: ResultLine };

export type ResultsMode = {
  /** Go on with the lines of an earlier run. */
  resume: boolean;
  /** Of those, ask again what failed; the file is then replaced when all is done. */
  retry: boolean;
  /** Replace the file of an earlier run. */
  force: boolean;
};

/** The results of a run: the lines of an earlier run, in their order, and a way to append new ones. */
export type Results = {
  known: AsyncIterator<KnownLine>;
  /** Appends a line; it is on the disk when the promise resolves. */
  write(text: string): Promise<void>;
};

/**
 * Opens a results file, with one line a query in the order of the queries. It is also the journal of the run: a run that
 * ended in whatever way continues after the last whole line.
 *
 * @throws InputError `INVALID_INPUT` where the file exists and is not to be used, is none of these, cannot be written, or is
 * being written by another process.
 */
export async function withResults<T>(
  file: string,
  { resume, retry, force }: ResultsMode,
  use: (results: Results) => Promise<T>,
): Promise<T> {
  const unlock = await lockFile(file);
  try {
    const exists = (await stat(file).catch(() => undefined))?.isFile() ?? false;
    if (!exists || !resume) {
      if (exists && !force) {
        throw new InputError("INVALID_INPUT", `Results ${file} exist`, {
          advice: "continue with --resume, start over with --force, or choose another name",
        });
      }
      await assertWritable(file, force);
      if (exists) await rm(file);
      return await append(file, none(), use);
    }
    await dropBrokenEnd(file);
    if (!retry) return await append(file, linesOf(file), use);
    return await makeOutput(file, { force: true, what: "results" }, ({ write }) =>
      use({ known: linesOf(file), write: (text) => write(`${text}\n`) }),
    );
  } finally {
    unlock();
  }
}

async function append<T>(
  file: string,
  known: AsyncIterator<KnownLine>,
  use: (results: Results) => Promise<T>,
): Promise<T> {
  const handle = await writing(file, () => open(file, "a", 0o600));
  try {
    return await use({
      known,
      write: (text) =>
        writing(file, async () => {
          await handle.appendFile(`${text}\n`);
          await handle.datasync();
        }),
    });
  } finally {
    await known.return?.();
    await handle.close();
  }
}

async function writing<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw unwritable(`The file of results ${file}`, error);
  }
}

async function* none(): AsyncGenerator<KnownLine> {}

/** The lines that were there when the file was opened, without those appended since. */
async function* linesOf(file: string): AsyncGenerator<KnownLine> {
  const { size } = await stat(file);
  if (size === 0) return;
  let number = 0;
  for await (const text of createInterface({ input: createReadStream(file, { end: size - 1 }) })) {
    number += 1;
    yield { text, line: parse(text, `${file}, line ${number}`) };
  }
}

function parse(text: string, where: string): ResultLine {
  try {
    const line = JSON.parse(text) as Partial<ResultLine & { results: unknown; error: unknown }>;
    if (typeof line.id === "string" && typeof line.query === "string" && (line.results || line.error)) {
      return line as ResultLine;
    }
  } catch {
    // The error below says so.
  }
  throw new InputError("INVALID_INPUT", `${where} is not a result of qrhead submit rerank`, {
    advice: "choose another name, or start over with --force",
  });
}

/** Bytes that are looked at together. */
const STRETCH = 65_536;

/** Cuts off what stands after the last line's end: a process that was killed leaves it. */
async function dropBrokenEnd(file: string): Promise<void> {
  const handle = await writing(file, () => open(file, "r+"));
  try {
    const { size } = await handle.stat();
    const end = await endOfLines(handle, size);
    if (end < size) await handle.truncate(end);
  } finally {
    await handle.close();
  }
}

async function endOfLines(handle: FileHandle, size: number): Promise<number> {
  for (let end = size; end > 0; end -= STRETCH) {
    const begin = Math.max(0, end - STRETCH);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(end - begin), 0, end - begin, begin);
    const last = buffer.subarray(0, bytesRead).lastIndexOf(0x0a);
    if (last !== -1) return begin + last + 1;
  }
  return 0;
}
