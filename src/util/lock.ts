import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { InputError } from "../errors.ts";

/** How often the owner touches its lock, and from when on a lock of another machine counts as left behind. */
const BEAT_MS = 20_000;
const STALE_MS = 120_000;
/** A process that was killed a moment ago may take this long to go. */
const PATIENCE_MS = 1500;

/** Locks of this process: a process number alone does not tell them from those of a dead process of the same number. */
const held = new Set<string>();

/**
 * Keeps other processes from writing the same results: `FILE.lock` names the process that does. One whose process is gone,
 * killed in the middle, counts as none.
 *
 * @returns What gives it back.
 * @throws InputError `INVALID_INPUT` where another process writes, or the folder cannot be written to.
 */
export async function lockResults(file: string): Promise<() => void> {
  const lock = `${file}.lock`;
  for (const end = performance.now() + PATIENCE_MS; !take(lock); ) {
    const owner = readOwner(lock);
    if (!owner || !isAlive(lock, owner)) rmSync(lock, { force: true });
    else if (performance.now() < end) await sleep(100);
    else {
      throw new InputError(
        "INVALID_INPUT",
        `Results ${file} are being written by process ${owner.pid} on ${owner.host}: wait for it, choose another folder, ` +
          `or remove ${lock} where there is no such process`,
      );
    }
  }
  held.add(lock);
  const beat = setInterval(() => touch(lock), BEAT_MS).unref();
  return () => {
    clearInterval(beat);
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
  if (host !== hostname()) return Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? 0) < STALE_MS;
  if (pid === process.pid) return held.has(lock);
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  return !isZombie(pid);
}

/** Dead, but not yet waited for by its parent; known on Linux only. */
function isZombie(pid: number): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

function touch(lock: string): void {
  try {
    utimesSync(lock, new Date(), new Date());
  } catch {
    // Whoever removed it knows why.
  }
}
