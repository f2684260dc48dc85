import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { serialize } from "node:v8";
import type { Death } from "./connection.ts";
import type { Method } from "./protocol.ts";

/** A call that ended its process this often is not tried again. */
const MOST_DEATHS = 2;
/** Milliseconds after which it may be tried again, since another program may have ended the process. */
const FORGOTTEN_MS = 600_000;
const MOST_REMEMBERED = 100;

type Asked = { method: Method; corpus?: number; args: unknown[]; options: object };
/** A call with the identity of the files that it reads, which may change later. */
export type Seen<C extends Asked = Asked> = C & { read?: string };

/** Says which file a call reads that is about to be made. */
export function seen<C extends Asked>(call: C): Seen<C> {
  if (call.method !== "corpus.load") return call;
  try {
    const { ino, size, mtimeNs } = statSync(call.args[0] as string, { bigint: true });
    return { ...call, read: `${ino} ${size} ${mtimeNs}` };
  } catch {
    // The call itself says what is wrong with the file.
    return call;
  }
}

/** Calls that create an object and number it. */
const MAKING: ReadonlySet<Method> = new Set(["corpus.create", "corpus.load"]);

/** Calls that ended the process they ran in. Costs nothing while there is none. */
export class Poison {
  readonly #deaths = new Map<string, { count: number; at: number; death: Death }>();

  /** How the process ended if the call ended it twice; undefined if the call may be tried. */
  find(call: Seen): Death | undefined {
    if (this.#deaths.size === 0) return undefined;
    const key = digest(call);
    const found = this.#deaths.get(key);
    if (!found) return undefined;
    if (performance.now() - found.at > FORGOTTEN_MS) this.#deaths.delete(key);
    else if (found.count >= MOST_DEATHS) return found.death;
    return undefined;
  }

  add(call: Seen, death: Death): void {
    const key = digest(call);
    const count = (this.#deaths.get(key)?.count ?? 0) + 1;
    this.#deaths.delete(key);
    this.#deaths.set(key, { count, at: performance.now(), death });
    if (this.#deaths.size > MOST_REMEMBERED) this.#deaths.delete(this.#deaths.keys().next().value!);
  }

  /** The call was done, so it did not end the process. */
  clear(call: Seen): void {
    if (this.#deaths.size > 0) this.#deaths.delete(digest(call));
  }
}

/**
 * The same of a call that is made again. A corpus has a number of its own, which a new one of the same documents has not,
 * and where it is saved to may differ too.
 */
function digest({ corpus, ...call }: Seen): string {
  const { saveTo: _, force: __, ...options } = call.options as { saveTo?: string; force?: boolean };
  const asked = MAKING.has(call.method) ? { ...call, options } : { ...call, corpus };
  return createHash("sha256").update(serialize(asked)).digest("base64");
}
