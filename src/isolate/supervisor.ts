import { setTimeout as sleep } from "node:timers/promises";
import PQueue from "p-queue";
import { QRHeadError } from "../errors.ts";
import type { LoadOptions } from "../options.ts";
import type { Channel } from "./channel.ts";
import { ChildDied, Connection, type Death, type Functions } from "./connection.ts";
import { KeepAlive } from "./keep-alive.ts";
import { Poison, type Seen, seen } from "./poison.ts";
import type { LoadedInfo, Request } from "./protocol.ts";

/** Milliseconds before a child is started again, doubled with every death in a row. */
const FIRST_BACK_OFF_MS = 100;
const LONGEST_BACK_OFF_MS = 10_000;
/** Milliseconds that a child may take to end by itself. */
const DISPOSAL_MS = 5000;
/** How often a call may find its child gone before it began. */
const MOST_STARTS = 2;

export type Call = Omit<Request, "functions">;
export type CallHooks = {
  signal: AbortSignal | undefined;
  functions: Functions;
  /** Told how long the call waited for those before it. */
  onBegin?: (waitMs: number) => void;
};
/** What a call may do on the child before its own work: reading a corpus again that an earlier child had. */
export type Prepare = (child: Connection, ask: (call: Call) => Promise<unknown>) => Promise<void>;

export type SupervisorOptions = {
  open: () => Channel;
  /** The call that loads the model. */
  load: Call;
  /** Milliseconds that an aborted call may run on before its child is ended. */
  abortTimeout: number;
};

/** Keeps a child running that has the model loaded, and runs calls on it, one after another. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #queue = new PQueue({ concurrency: 1 });
  readonly #alive = new KeepAlive();
  readonly #poison = new Poison();
  #child: Connection | undefined;
  #starting: Promise<Connection> | undefined;
  /** Of a child that is loading, until it is there. */
  #newborn: Connection | undefined;
  #info: LoadedInfo | undefined;
  /** Deaths since a call was done. */
  #deaths = 0;
  #restarts = 0;
  /** Retrievers that use it. */
  #users = 0;
  #disposal: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** What the model is loaded with. */
  get loadOptions(): LoadOptions {
    return this.#options.load.options as LoadOptions;
  }

  get info(): LoadedInfo {
    return this.#info!;
  }

  /** The child that has the model; undefined while none does. */
  get child(): Connection | undefined {
    return this.#child;
  }

  /** Calls that wait for the running one. */
  get pending(): number {
    return this.#queue.size;
  }

  get restarts(): number {
    return this.#restarts;
  }

  enter(): void {
    this.#users += 1;
  }

  /** @returns How many use it still. */
  leave(): number {
    this.#users -= 1;
    return this.#users;
  }

  get disposed(): boolean {
    return this.#disposal !== undefined;
  }

  /** Starts the first child. */
  async start({ signal, functions }: CallHooks): Promise<void> {
    signal?.throwIfAborted();
    await this.#alive.during(async () => {
      const aborted = untilAborted(signal, () => this.#newborn?.kill());
      try {
        await Promise.race([this.#ready(functions), aborted.promise, thrownIn(functions)]);
      } catch (error) {
        this.#disposal ??= Promise.resolve();
        this.#newborn?.kill();
        signal?.throwIfAborted();
        throw error instanceof ChildDied ? engineDied("load", error.death) : error;
      } finally {
        aborted.stop();
      }
    });
  }

  /**
   * Runs a call when those before it are done. Rejects at once when the signal is aborted or a function throws; the next
   * call begins when the child has stopped.
   *
   * @param prepare Runs on the child before the call, which is not begun where it fails.
   * @param assertOpen Throws where the call is not to begin any more.
   * @throws QRHeadError `ENGINE_DIED` when the child ends, `DISPOSED`; the call's own errors.
   */
  async run<T>(
    call: Call,
    hooks: CallHooks,
    prepare?: Prepare,
    assertOpen = () => {},
  ): Promise<{ value: T; waitMs: number }> {
    const { signal } = hooks;
    signal?.throwIfAborted();
    this.#assertUsable();
    assertOpen();
    const asked = performance.now();
    return this.#alive.during(async () => {
      const thrown = thrownIn(hooks.functions);
      const waiting = new AbortController();
      let hasBegun = false;
      // The signal ends the waiting only. The next call must not begin before this one has stopped.
      const aborted = untilAborted(signal, () => hasBegun || waiting.abort(signal?.reason));
      const done = this.#queue.add(
        async () => {
          hasBegun = true;
          this.#assertUsable();
          assertOpen();
          const waitMs = performance.now() - asked;
          hooks.onBegin?.(waitMs);
          return { value: (await this.#perform(call, hooks, prepare)) as T, waitMs };
        },
        { signal: waiting.signal },
      );
      done.catch(() => {});
      try {
        return await Promise.race([done, aborted.promise, thrown]);
      } finally {
        aborted.stop();
      }
    });
  }

  /** Ends the child after the running call; calls still waiting are rejected. Idempotent. */
  dispose(): Promise<void> {
    this.#disposal ??= this.#alive.during(async () => {
      this.#newborn?.kill();
      await this.#queue.onIdle();
      const child = this.#child;
      if (!child) return;
      const ended = child.call({ method: "dispose", args: [], options: {} }, {}, () => {}).result.catch(() => {});
      await Promise.race([ended.then(() => child.died), sleep(DISPOSAL_MS)]);
      child.kill();
      await child.died;
    });
    return this.#disposal;
  }

  async #perform(call: Call, { signal, functions }: CallHooks, prepare: Prepare | undefined): Promise<unknown> {
    this.#assertHarmless(seen(call));
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      try {
        const child = await this.#ready();
        const ask = (one: Call) => this.#ask(child, one, { signal, functions });
        await prepare?.(child, ask);
        const value = await ask(call);
        this.#deaths = 0;
        return value;
      } catch (error) {
        if (!(error instanceof ChildDied)) throw error;
        if (signal?.aborted) throw signal.reason;
        // If the child died before it got the call, the call did not fail.
        if (error.began || attempt >= MOST_STARTS) throw engineDied(call.method, error.death);
      }
    }
  }

  /** @throws QRHeadError `ENGINE_DIED` for a call that ended its child twice. */
  #assertHarmless(call: Seen<Call>): void {
    const death = this.#poison.find(call);
    if (death) throw engineDied(call.method, death, REFUSED);
  }

  /** One call on a child, or one before it that it needs; ends the child where an aborted call does not stop. */
  async #ask(child: Connection, call: Call, { signal, functions }: CallHooks): Promise<unknown> {
    const asked = seen(call);
    this.#assertHarmless(asked);
    let patience: NodeJS.Timeout | undefined;
    const stop = () => {
      child.abort(id);
      patience ??= setTimeout(() => child.kill(), this.#options.abortTimeout);
    };
    const { id, result } = child.call(call, functions, stop);
    signal?.addEventListener("abort", stop, { once: true });
    try {
      const value = await result;
      this.#poison.clear(asked);
      return value;
    } catch (error) {
      if (error instanceof ChildDied && error.began && !signal?.aborted) this.#poison.add(asked, error.death);
      throw error;
    } finally {
      clearTimeout(patience);
      signal?.removeEventListener("abort", stop);
    }
  }

  #ready(functions: Functions = {}): Promise<Connection> {
    if (this.#child) return Promise.resolve(this.#child);
    this.#starting ??= this.#open(functions).finally(() => {
      this.#starting = undefined;
      this.#newborn = undefined;
    });
    return this.#starting;
  }

  async #open(functions: Functions): Promise<Connection> {
    if (this.#deaths > 0) {
      await sleep(Math.min(LONGEST_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** (this.#deaths - 1)), undefined, {
        ref: false,
      });
      this.#assertUsable();
    }
    const child = new Connection(this.#options.open());
    this.#newborn = child;
    try {
      this.#info = (await child.call(this.#options.load, functions, () => child.kill()).result) as LoadedInfo;
    } catch (error) {
      this.#deaths += 1;
      child.kill();
      // A model that could not be loaded does not count as a death in a call. The next call may try again.
      throw error instanceof ChildDied ? new ChildDied(error.death, false) : error;
    }
    this.#child = child;
    child.died.then(() => this.#onDeath(child));
    return child;
  }

  #onDeath(child: Connection): void {
    if (this.#child === child) this.#child = undefined;
    if (this.disposed) return;
    this.#deaths += 1;
    this.#restarts += 1;
    // If that fails, the next call tries again and says why.
    this.#ready().catch(() => {});
  }

  #assertUsable(): void {
    if (this.disposed) throw new QRHeadError("DISPOSED", "The retriever has been disposed");
  }
}

const AGAIN = "the next call runs in a new process";
const REFUSED =
  "it ended the process twice and is not tried again: pass other documents or another file, or another model or build";

function engineDied(method: string, { how, lastLine }: Death, advice = AGAIN): QRHeadError {
  const said = lastLine === "" ? "" : `, which said ${JSON.stringify(lastLine)}`;
  return new QRHeadError("ENGINE_DIED", `The process of the engine ended (${how}) during ${method}${said}`, { advice });
}

/** Rejects with the signal's reason once it is aborted. */
function untilAborted(signal: AbortSignal | undefined, onAbort: () => void) {
  let stop = () => {};
  const promise = new Promise<never>((_, reject) => {
    if (!signal) return;
    const listener = () => {
      onAbort();
      reject(signal.reason);
    };
    signal.addEventListener("abort", listener, { once: true });
    stop = () => signal.removeEventListener("abort", listener);
  });
  promise.catch(() => {});
  return { promise, stop };
}

/** Rejects with what one of the functions throws; replaces them by functions that tell it. */
function thrownIn(functions: Functions): Promise<never> {
  const promise = new Promise<never>((_, reject) => {
    for (const [name, own] of Object.entries(functions)) {
      functions[name] = async (...args) => {
        try {
          return await own(...args);
        } catch (error) {
          reject(error);
          throw error;
        }
      };
    }
  });
  promise.catch(() => {});
  return promise;
}
