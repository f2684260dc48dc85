import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { command } from "./cli.ts";
import { until } from "./isolated.ts";
import { modelPath } from "./models.ts";

/** `qrhead worker` in a process of its own. */
export class OwnWorker {
  readonly #args: readonly string[];
  child!: ChildProcess;
  /** What it wrote, both streams together. */
  output = "";

  private constructor(args: readonly string[]) {
    this.#args = args;
  }

  /** Starts one with a small model on one thread, and waits until it takes jobs. */
  static async start(redis: string, ...more: string[]): Promise<OwnWorker> {
    const model = ["-m", modelPath("tiny-llama"), "--heads", "all", "--gpu", "false", "--threads", "1"];
    const worker = new OwnWorker(["worker", "--redis", redis, ...model, "--lease", "2", ...more]);
    await worker.restart();
    return worker;
  }

  async restart(): Promise<void> {
    this.output = "";
    this.child = spawn(process.execPath, [...command, ...this.#args], { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
      });
    }
    await until(() => this.output.includes("ready") || this.child.exitCode !== null, 120_000);
    if (!this.output.includes("ready")) throw new Error(`The worker ended: ${this.output}`);
  }

  /** Ends it, in order or at once; the exit code and signal. */
  async stop(signal: NodeJS.Signals): Promise<[number | null, NodeJS.Signals | null]> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) {
      return [this.child.exitCode, this.child.signalCode];
    }
    const ended = once(this.child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
    this.child.kill(signal);
    return ended;
  }
}
