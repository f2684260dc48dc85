import { type ChildProcess, fork } from "node:child_process";
import { createRequire } from "node:module";
import { QRHeadError } from "../errors.ts";
import type { UtilityProcess, UtilityProcessModule } from "../types.ts";
import { lastWords } from "../util/last-words.ts";

/** A line to one child process, whatever the system that started it. Nothing of it keeps this process alive. */
export type Channel = {
  readonly pid: number | undefined;
  /** @throws DataCloneError for what cannot be copied. A child that is gone is heard of by `onExit`. */
  post(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Called once, with how it ended and the last line that it wrote to standard error. */
  onExit(listener: (how: string, lastLine: string) => void): void;
  kill(): void;
};

export type ChannelOptions = { program: string; cwd: string; utilityProcess?: UtilityProcessModule | undefined };

/** A child of `child_process.fork`, or one of Electron's `utilityProcess` where this is Electron's main process. */
export function openChannel({ program, cwd, utilityProcess }: ChannelOptions): Channel {
  // A backtrace would follow the line that says what failed.
  const env = { ...process.env, GGML_NO_BACKTRACE: "1" };
  const electron = utilityProcess ?? electronUtilityProcess();
  if (electron) return utilityChannel(electron.fork(program, [], { cwd, env, stdio: ["ignore", "ignore", "pipe"] }));
  return forkChannel(
    fork(program, [], {
      ...{ cwd, env: { ...env, ELECTRON_RUN_AS_NODE: "1" } },
      execArgv: [],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      serialization: "advanced",
    }),
  );
}

function electronUtilityProcess(): UtilityProcessModule | undefined {
  if (!process.versions.electron || (process as { type?: string }).type !== "browser") return undefined;
  return (createRequire(import.meta.url)("electron") as { utilityProcess: UtilityProcessModule }).utilityProcess;
}

function forkChannel(child: ChildProcess): Channel {
  const lastLine = lastWords(child.stderr);
  child.unref();
  // Bun has none.
  child.channel?.unref?.();
  (child.stderr as { unref?: () => void } | null)?.unref?.();
  return {
    pid: child.pid,
    post: (message) => void child.send(message as object, () => {}),
    onMessage: (listener) => void child.on("message", listener),
    onExit: (listener) => {
      let ended = false;
      const end = (how: string) => {
        if (!ended) listener(how, lastLine());
        ended = true;
      };
      // The last output may arrive after the exit event.
      child.once("exit", (code, signal) => {
        setTimeout(() => end(signal ?? `code ${code}`), LAST_WORDS_MS).unref();
      });
      child.once("close", (code, signal) => end(signal ?? `code ${code}`));
      child.once("error", (error) => end(`it could not be started: ${error.message}`));
    },
    kill: () => void child.kill("SIGKILL"),
  };
}

function utilityChannel(child: UtilityProcess): Channel {
  const lastLine = lastWords(child.stderr);
  return {
    get pid() {
      return child.pid;
    },
    post: (message) => child.postMessage(message),
    onMessage: (listener) => void child.on("message", listener),
    onExit: (listener) => void child.on("exit", (code) => listener(`code ${code}`, lastLine())),
    kill: () => void child.kill(),
  };
}

const LAST_WORDS_MS = 100;

/** What the child's side of the line is: `process.send`, or the port of Electron's `utilityProcess`. */
export type ParentPort = { post(message: unknown): void; onMessage(listener: (message: unknown) => void): void };

type ElectronParentPort = {
  postMessage(message: unknown): void;
  on(event: "message", listener: (event: { data: unknown }) => void): unknown;
};

/** The line to the parent, for the child. Without the parent the child ends at once, whatever it does. */
export function openParentPort(): ParentPort {
  const port = (process as { parentPort?: ElectronParentPort }).parentPort;
  // Electron ends its utility processes with the application.
  if (port) {
    return {
      post: (message) => port.postMessage(message),
      onMessage: (listener) => void port.on("message", ({ data }) => listener(data)),
    };
  }
  if (!process.send) throw new QRHeadError("ENGINE_FAILED", "This program runs as a child of IsolatedRetriever only");
  process.once("disconnect", () => process.kill(process.pid, "SIGKILL"));
  return {
    post: (message) => void process.send?.(message, undefined, undefined, () => {}),
    onMessage: (listener) => void process.on("message", listener),
  };
}
