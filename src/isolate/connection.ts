import { InputError } from "../errors.ts";
import type { Channel } from "./channel.ts";
import type { Request, ToChild, ToParent } from "./protocol.ts";
import { fromWire, toWire } from "./wire-error.ts";

/** How a child ended. */
export type Death = { how: string; lastLine: string };

/** What a call on a child rejects with when the child ends before it has answered. */
export class ChildDied extends Error {
  override name = "ChildDied";
  /** How it ended. */
  readonly death: Death;
  /** Whether the child had begun with the call. */
  readonly began: boolean;

  constructor(death: Death, began: boolean) {
    super(`The child ended (${death.how})`);
    this.death = death;
    this.began = began;
  }
}

/** Functions that the child calls here, by the names of their options. */
export type Functions = Record<string, (...args: never[]) => unknown>;

type Pending = {
  functions: Functions;
  began: boolean;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
  /** Told what one of the functions threw. */
  onThrow: (error: unknown) => void;
};

function notSent(error: unknown, what = "An argument"): InputError {
  const said = error instanceof Error ? error.message : String(error);
  // V8 shows objects as #<Name>, symbols as Symbol(name), and functions with their source.
  const reason = said.replace(/^(?!#<|Symbol\().+(?= could not be cloned\.$)/s, "a function");
  return new InputError("INVALID_ARGUMENT", `${what} cannot be sent to another process: ${reason}`, {
    ...{ option: "options", expected: "plain data, functions and signals", cause: error },
  });
}

/** The calls on one child, from its start to its end. */
export class Connection {
  readonly died: Promise<Death>;
  readonly #channel: Channel;
  readonly #pending = new Map<number, Pending>();
  #calls = 0;
  #death: Death | undefined;

  constructor(channel: Channel) {
    this.#channel = channel;
    channel.onMessage((message) => this.#onMessage(message as ToParent));
    this.died = new Promise((resolve) => {
      channel.onExit((how, lastLine) => {
        this.#death = { how, lastLine };
        for (const { reject, began } of this.#pending.values()) reject(new ChildDied(this.#death, began));
        this.#pending.clear();
        resolve(this.#death);
      });
    });
  }

  get pid(): number | undefined {
    return this.#channel.pid;
  }

  /**
   * Has the child do something. The result rejects with `ChildDied`, or with the error of the child.
   *
   * @param onThrow Told what a function threw; the child goes on until it is told to stop.
   */
  call(request: Omit<Request, "functions">, functions: Functions, onThrow: (error: unknown) => void) {
    this.#calls += 1;
    const id = this.#calls;
    const result = new Promise<unknown>((resolve, reject) => {
      if (this.#death) return reject(new ChildDied(this.#death, false));
      this.#pending.set(id, { functions, began: false, resolve, reject, onThrow });
      try {
        this.#post({ type: "call", id, ...request, functions: Object.keys(functions) });
      } catch (error) {
        this.#pending.delete(id);
        reject(notSent(error));
      }
    });
    return { id, result };
  }

  abort(id: number): void {
    if (this.#pending.has(id)) this.#post({ type: "abort", id });
  }

  kill(): void {
    this.#channel.kill();
  }

  #post(message: ToChild): void {
    this.#channel.post(message);
  }

  #onMessage(message: ToParent): void {
    const pending = this.#pending.get(message.id);
    if (!pending) return;
    if (message.type === "began") pending.began = true;
    else if (message.type === "invoke") void this.#invoke(pending, message);
    else {
      this.#pending.delete(message.id);
      if (message.type === "done") pending.resolve(message.value);
      else pending.reject(fromWire(message.error));
    }
  }

  async #invoke(pending: Pending, { id, name, args, reply }: Extract<ToParent, { type: "invoke" }>): Promise<void> {
    let answer: { value?: unknown } | { error: ReturnType<typeof toWire> };
    try {
      answer = { value: await pending.functions[name]?.(...(args as never[])) };
    } catch (error) {
      pending.onThrow(error);
      answer = { error: toWire(error) };
    }
    if (reply === undefined || this.#death) return;
    try {
      this.#post({ type: "returned", id, reply, ...answer });
    } catch (error) {
      // The child waits for this answer, which ends the call.
      this.#post({ type: "returned", id, reply, error: toWire(notSent(error, `What ${name} returned`)) });
    }
  }
}
