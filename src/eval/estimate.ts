import type { Outcome } from "./outcome.ts";

/** Time left; `atLeast` where some method has not begun, so that nobody knows yet how slow it is. */
export type TimeLeft = { ms: number; atLeast: boolean };

/**
 * How long a run still takes. Methods come one after another and differ a thousandfold, so each counts at its own pace.
 */
export class Estimate {
  readonly #methods: Map<string, { left: number; done: number; ms: number }>;
  readonly #jobs: number;

  /** @param totals Outcomes of every method that takes time, of the whole run. */
  constructor(totals: ReadonlyMap<string, number>, jobs: number) {
    this.#methods = new Map([...totals].map(([name, left]) => [name, { left, done: 0, ms: 0 }]));
    this.#jobs = jobs;
  }

  /** Outcomes of an earlier run tell the pace too. */
  add({ method, ms }: Pick<Outcome, "method" | "ms">): void {
    const known = this.#methods.get(method);
    if (!known) return;
    known.left--;
    known.done++;
    known.ms += ms;
  }

  get left(): TimeLeft {
    let [ms, atLeast] = [0, false];
    for (const method of this.#methods.values()) {
      if (method.left > 0 && method.done === 0) atLeast = true;
      else if (method.left > 0) ms += (method.left * method.ms) / method.done / this.#jobs;
    }
    return { ms, atLeast };
  }
}
