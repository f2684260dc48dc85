import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { InputError } from "../errors.ts";

/** Locks of this process: a process number alone does not tell them from those of a dead process of the same number. */
const held = new Set<string>();

/**
 * Keeps other processes from writing the same results: `FILE.lock` names the process that does. One whose process is gone,
 * killed in the middle, counts as none.
 *
 * @returns What gives it back.
 * @throws InputError `INVALID_INPUT` where another process writes, or the folder cannot be written to.
 */
export function lockResults(file: string): () => void {
  const lock = `${file}.lock`;
  if (!take(lock)) {
    const owner = readOwner(lock);
    if (owner && isAlive(lock, owner)) {
      throw new InputError(
        "INVALID_INPUT",
        `Results ${file} are being written by process ${owner.pid} on ${owner.host}: wait for it, choose another folder, ` +
          `or remove ${lock} where there is no such process`,
      );
    }
    rmSync(lock, { force: true });
    if (!take(lock)) throw new InputError("INVALID_INPUT", `Results ${file} are being written by another process`);
  }
  held.add(lock);
  return () => {
    if (held.delete(lock)) rmSync(lock, { force: true });
  };
}

type Owner = { pid: number; host: string };

function take(lock: string): boolean {
  try {
    writeFileSync(lock, JSON.stringify({ pid: process.pid, host: hostname() } satisfies Owner), { flag: "wx" });
    return true;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    throw new InputError("INVALID_INPUT", `Results cannot be written, ${lock}: ${message}`);
  }
}

/** Undefined for a lock that was cut short or is gone. */
function readOwner(lock: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(lock, "utf8")) as Owner;
  } catch {
    return undefined;
  }
}

function isAlive(lock: string, { pid, host }: Owner): boolean {
  // Of another machine nothing can be known.
  if (host !== hostname()) return true;
  if (pid === process.pid) return held.has(lock);
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
