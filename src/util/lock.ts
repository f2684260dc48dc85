import { randomBytes } from "node:crypto";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { InputError } from "../errors.ts";
import { isBusy, unwritable } from "./output-file.ts";
import { IDENTITY_PATTERN, identityFromMatch, identityToName, isRunning, ownIdentity } from "./process-identity.ts";

/** How often a holder touches its claim, and from when on one of another machine counts as left behind. */
const BEAT_MS = 20_000;
const STALE_MS = 120_000;
/** How long to try for a held lock. A holder that is ending, or was just killed, may take so long to go. */
const PATIENCE_MS = 1500;
/** Longest pause between two tries. */
const PAUSE_MS = 100;

const CLAIM = new RegExp(`^${IDENTITY_PATTERN}-[0-9a-f]{16}$`);

/** Who holds a lock. */
export type LockHolder = { pid: number; host: string };

export type LockOptions = {
  /** Wait for as long as another process holds it. Defaults to `false`: 1.5 seconds. */
  wait?: boolean | undefined;
  /** Called once, when waiting begins. */
  onWait?: ((holder: LockHolder) => void) | undefined;
  signal?: AbortSignal | undefined;
};

/**
 * Keeps others, in this process too, from writing a file. The folder `FILE.lock` holds a claim of each process that
 * wants the lock: a file with a name that is used once. A process makes its claim and then looks for others. If there is
 * another claim, it removes its own and tries again. Of two processes at least one sees the other, so never both go on. The
 * claim of a process that is gone does not count. Its name is unique, so removing it cannot remove the claim of another
 * process. (Libraries take over one lock file by its age or content. Then the slower of two can remove the lock that the
 * faster one has just made.)
 *
 * @returns What gives it back; idempotent.
 * @throws InputError `INVALID_INPUT` where another process holds it, or the folder cannot be written to.
 */
export async function lockFile(file: string, options: LockOptions = {}): Promise<() => void> {
  const { wait = false, onWait, signal } = options;
  const lock = `${file}.lock`;
  const claim = path.join(lock, `${identityToName(ownIdentity())}-${randomBytes(8).toString("hex")}`);
  const end = performance.now() + PATIENCE_MS;
  for (let waits = false; ; ) {
    signal?.throwIfAborted();
    let holder = findOther(lock, claim);
    if (!holder && makeClaim(file, lock, claim)) {
      holder = findOther(lock, claim);
      if (!holder) break;
      removeClaim(lock, claim);
    }
    if (holder && performance.now() > end) {
      if (!wait) throw isHeld(file, lock, holder);
      if (!waits) onWait?.(holder);
      waits = true;
    }
    // Random pauses keep two processes from colliding again.
    await sleep(Math.random() * PAUSE_MS, undefined, signal && { signal });
  }
  const beat = setInterval(() => touch(claim), BEAT_MS).unref();
  return () => {
    clearInterval(beat);
    removeClaim(lock, claim);
  };
}

function isHeld(file: string, lock: string, { pid, host }: LockHolder): InputError {
  return new InputError(
    "INVALID_INPUT",
    `${file} is being written by process ${pid} on ${host}: wait for it, choose another file, or remove ${lock} if that ` +
      "process is gone",
  );
}

/** False if another process removed the folder with its claim in the meantime. */
function makeClaim(file: string, lock: string, claim: string): boolean {
  try {
    mkdirSync(lock);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (isBusy(code)) return false;
    if (code !== "EEXIST") throw unwritable(file, error);
  }
  try {
    writeFileSync(claim, hostname(), { flag: "wx" });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || isBusy(code)) return false;
    removeClaim(lock, claim);
    throw unwritable(file, error);
  }
}

function removeClaim(lock: string, claim: string): void {
  rmSync(claim, { force: true });
  try {
    rmdirSync(lock);
  } catch {
    // The folder holds another claim, or is gone.
  }
}

/** One who holds the lock or wants it. Claims of processes that are gone are removed on the way. */
function findOther(lock: string, own: string): LockHolder | undefined {
  for (const name of list(lock)) {
    const claim = path.join(lock, name);
    const match = CLAIM.exec(name);
    if (!match || claim === own) continue;
    const identity = identityFromMatch(match.slice(1));
    if (isRunning(identity) ?? isFresh(claim)) return { pid: identity.pid, host: readHost(claim) };
    removeClaim(lock, claim);
  }
  return undefined;
}

function list(lock: string): string[] {
  try {
    return readdirSync(lock);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR") removeFile(lock);
    return [];
  }
}

/** A file where the folder of claims belongs, as earlier versions left one. */
function removeFile(lock: string): void {
  try {
    unlinkSync(lock);
  } catch {
    // Another process removed it, and may have made the folder.
  }
}

function isFresh(claim: string): boolean {
  return Date.now() - (statSync(claim, { throwIfNoEntry: false })?.mtimeMs ?? 0) < STALE_MS;
}

function readHost(claim: string): string {
  try {
    return readFileSync(claim, "utf8") || "an unknown machine";
  } catch {
    return hostname();
  }
}

function touch(claim: string): void {
  try {
    utimesSync(claim, new Date(), new Date());
  } catch {
    // Somebody removed the lock by hand, as the message advises.
  }
}
