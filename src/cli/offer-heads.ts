import { existsSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline/promises";
import { isQRHeadError, type QRHeadError } from "../errors.ts";
import { oneLine, write, writeAside } from "./output.ts";
import { shellWords } from "./shell-words.ts";

const CHOICES = `  1  rank with all heads now: slower, and less accurate than with the model's retrieval heads
  2  find its heads first with qrhead detect, then go on with them
  3  stop
Choose 1, 2 or 3 [1]: `;

/** Where `detect` puts the heads that it finds for a model. */
function headsFileFor(model: string): string {
  return `${path.basename(model).replace(/\.gguf$/i, "")}-heads.json`;
}

function isUnknownAuto(error: unknown): error is QRHeadError {
  return isQRHeadError(error) && error.code === "HEADS_UNKNOWN" && error.option === "heads";
}

/** Puts the two commands that work into the error for a model that no heads are known for. */
export function adviseHeads(error: unknown, args: readonly string[]): void {
  if (!isUnknownAuto(error) || error.advice === undefined) return;
  const model = modelOf(args);
  if (model === undefined) return;
  const advice = `add --heads all to rank with all of them, or find its own with qrhead ${shellWords(detectArgs(model))}`;
  error.message = error.message.slice(0, -error.advice.length) + advice;
  Object.assign(error, { advice });
}

const detectArgs = (model: string) => ["detect", "-m", model, "--bootstrap", "-o", headsFileFor(model)];

/**
 * Where no heads are known for a model and somebody sits at a terminal: asks whether to rank with all heads or to find the
 * model's own, and does it.
 *
 * @returns Whether something was done in place of the failure.
 */
export async function offerHeads(error: unknown, args: readonly string[]): Promise<boolean> {
  if (!isUnknownAuto(error) || !process.stdin.isTTY || !process.stderr.isTTY || args.includes("--json")) return false;
  const { runCommandLine } = await import("./run.ts");
  const model = modelOf(args);
  if (model === undefined) return false;
  writeAside(`${oneLine(error.message.split(": ", 1)[0]!)}.\n${CHOICES}`);
  const answer = await ask();
  if (answer === "1") {
    await runCommandLine([...args, "--heads", "all"]);
    return true;
  }
  if (answer !== "2") return false;
  const output = headsFileFor(model);
  if (existsSync(output)) writeAside(`Taking the heads of ${oneLine(output)}, which is there\n`);
  else {
    const detect = [...detectArgs(model), ...deviceArgs(args)];
    writeAside(`$ qrhead ${shellWords(detect)}\n`);
    await runCommandLine(detect);
    write("\n");
  }
  await runCommandLine([...args, "--heads", output]);
  return true;
}

/** The flags that say where a model runs hold for finding its heads too. */
function deviceArgs(args: readonly string[]): string[] {
  const flags = new Set(["-t", "--threads", "--gpu", "-ngl", "--gpu-layers", "--library"]);
  return args.flatMap((argument, index) => {
    const [flag] = argument.split("=", 1);
    if (!flags.has(flag!)) return [];
    return argument.includes("=") ? [argument] : [argument, args[index + 1] ?? ""];
  });
}

async function ask(): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    for await (const line of lines) return line.trim() || "1";
    return "3";
  } finally {
    lines.close();
  }
}

function modelOf(args: readonly string[]): string | undefined {
  for (const [index, argument] of args.entries()) {
    if (argument === "-m" || argument === "--model") return args[index + 1];
    const [, value] = /^(?:--model=|-m)(.+)$/.exec(argument) ?? [];
    if (value !== undefined) return value;
  }
  return process.env.QRHEAD_MODEL;
}
