import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** A process, named so that another one can tell later whether it still runs. */
export type ProcessIdentity = {
  pid: number;
  /** When it began, in clock ticks since boot; empty where the system does not say (macOS, Windows). */
  start: string;
  /** The scope of the process number: a digest of host, boot and PID namespace. */
  place: string;
};

let own: ProcessIdentity | undefined;

/** This process. Its worker threads are the same one. */
export function ownIdentity(): ProcessIdentity {
  own ??= { pid: process.pid, start: readStat("self")?.start ?? "", place: ownPlace() };
  return own;
}

/** As a part of a file name: `PLACE-PID-START`. */
export function identityToName({ place, pid, start }: ProcessIdentity): string {
  return `${place}-${pid}-${start}`;
}

export const IDENTITY_PATTERN = "([0-9a-f]{8})-(\\d+)-(\\d*)";

/** Of the groups of `IDENTITY_PATTERN`. */
export function identityFromMatch([place = "", pid = "", start = ""]: readonly (
  | string
  | undefined
)[]): ProcessIdentity {
  return { place, pid: Number(pid), start };
}

/** Undefined where it cannot be known, as of a process of another machine or container. */
export function isRunning({ pid, start, place }: ProcessIdentity): boolean | undefined {
  const here = ownIdentity();
  if (place !== here.place) return undefined;
  // Without a start, this process looks like a dead one that had its number.
  if (pid === here.pid && start === "") return undefined;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const found = readStat(pid);
  // The number belongs to another process now, or to a zombie.
  if (found && start !== "") return found.start === start && !found.isZombie;
  return true;
}

function ownPlace(): string {
  const parts = [hostname(), read(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim())];
  // Two containers on one machine may both have a process 7.
  parts.push(read(() => readlinkSync("/proc/self/ns/pid")));
  return createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 8);
}

function readStat(pid: number | "self"): { isZombie: boolean; start: string } | undefined {
  const text = read(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  // The name in brackets may hold spaces and brackets.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return fields.length > 19 ? { isZombie: fields[0] === "Z" || fields[0] === "X", start: fields[19]! } : undefined;
}

function read(from: () => string): string {
  try {
    return from();
  } catch {
    return "";
  }
}
