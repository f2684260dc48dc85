import { isQRHeadError, QRHeadError } from "../errors.ts";
import { readHeadFile } from "../heads/head-file.ts";
import { type ResolvedHeads, resolveHeads } from "../heads/spec.ts";
import type { LoadOptions } from "../options.ts";
import { defaultLayout } from "../ranking/plan.ts";
import type { ModelIdentity } from "../types.ts";
import type { Connection } from "./connection.ts";
import type { LoadedInfo } from "./protocol.ts";
import type { Call, CallHooks, Prepare, Supervisor } from "./supervisor.ts";

/** Number of the retriever that a process loads; the others come from it. */
const FIRST = 0;
let numbers = FIRST;

/**
 * A retriever in the process: its heads on the model that all of them share. A process that was started again hears of its
 * heads before its next call.
 */
export class View {
  readonly #supervisor: Supervisor;
  readonly #number: number;
  /** Absent of the first one, whose heads the process tells. */
  readonly #heads: ResolvedHeads | undefined;
  /** The process that knows the heads. */
  #home: Connection | undefined;
  #disposal: Promise<void> | undefined;

  private constructor(supervisor: Supervisor, number: number, heads?: ResolvedHeads) {
    this.#supervisor = supervisor;
    this.#number = number;
    this.#heads = heads;
    supervisor.enter();
  }

  /** That of a process which has been started. */
  static first(supervisor: Supervisor): View {
    return new View(supervisor, FIRST);
  }

  /** Another one on the same model. @throws What `resolveHeads` throws, QRHeadError `DISPOSED`. */
  withHeads(heads: NonNullable<LoadOptions["heads"]>): View {
    this.#assertOpen();
    numbers += 1;
    const resolved = resolveHeads(heads, this.#supervisor.info.model as ModelIdentity, readHeadFile);
    return new View(this.#supervisor, numbers, resolved);
  }

  get info(): LoadedInfo {
    const { info } = this.#supervisor;
    if (!this.#heads) return info;
    const { heads, name: headSet, fuse: weight } = this.#heads;
    const layout = defaultLayout({ options: this.#supervisor.loadOptions, heads: this.#heads });
    return { ...info, heads, headSet, layout, fuse: weight === undefined ? "none" : { weight } };
  }

  get child(): Connection | undefined {
    return this.#supervisor.child;
  }

  get pending(): number {
    return this.#supervisor.pending;
  }

  get restarts(): number {
    return this.#supervisor.restarts;
  }

  get disposed(): boolean {
    return this.#disposal !== undefined;
  }

  /** See `Supervisor.run`. */
  run<T>(call: Call, hooks: CallHooks, prepare?: Prepare): Promise<{ value: T; waitMs: number }> {
    const view = this.#number;
    const settle: Prepare = async (child, ask) => {
      const own = (one: Call) => ask({ ...one, view });
      await this.#settle(child, own);
      await prepare?.(child, own);
    };
    return this.#supervisor.run<T>({ ...call, view }, hooks, settle, () => this.#assertOpen());
  }

  /** Frees what it holds, after the running call; the last one ends the process. Idempotent. */
  dispose(): Promise<void> {
    this.#disposal ??= this.#supervisor.leave() === 0 ? this.#supervisor.dispose() : this.#release();
    return this.#disposal;
  }

  async #release(): Promise<void> {
    if (this.#number !== FIRST && this.#supervisor.child !== this.#home) return;
    const call: Call = { method: "release", view: this.#number, args: [], options: {} };
    await this.#supervisor.run(call, { signal: undefined, functions: {} }).catch((error: unknown) => {
      // A process that has ended holds nothing.
      if (!isQRHeadError(error) || !["DISPOSED", "ENGINE_DIED"].includes(error.code)) throw error;
    });
  }

  async #settle(child: Connection, ask: (call: Call) => Promise<unknown>): Promise<void> {
    if (this.#heads === undefined || child === this.#home) return;
    await ask({ method: "withHeads", args: [asSpec(this.#heads)], options: {} });
    this.#home = child;
  }

  #assertOpen(): void {
    if (this.#disposal) throw new QRHeadError("DISPOSED", "The retriever has been disposed");
  }
}

/** Heads that mean the same in every process, even if a file has changed since. */
function asSpec({ name, warning, ...heads }: ResolvedHeads): unknown {
  // Only heads of a related model carry a warning, which a set cannot hold.
  return warning === undefined ? { ...heads, source: { name } } : "auto";
}
