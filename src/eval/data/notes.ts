import { InputError } from "../../errors.ts";
import type { Dropped } from "../types.ts";

/** Examples kept of each reason. */
const EXAMPLES = 5;

/** Counts what a loader leaves out. */
export class Notes {
  readonly #found = new Map<string, Dropped>();

  add(reason: string, example: string): void {
    let dropped = this.#found.get(reason);
    if (!dropped) {
      dropped = { reason, count: 0, examples: [] };
      this.#found.set(reason, dropped);
    }
    dropped.count++;
    if (dropped.examples.length < EXAMPLES) dropped.examples.push(example);
  }

  get dropped(): Dropped[] {
    return [...this.#found.values()];
  }
}

/** The error for a file with a mistake: `position` says where, `what` says which. */
export function invalid(position: string, what: string): InputError {
  return new InputError("INVALID_INPUT", `${position} ${what}`);
}
