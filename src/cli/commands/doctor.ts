import type { Command } from "commander";
import { isQRHeadError } from "../../errors.ts";
import { findModelFile } from "../../model/model-file.ts";
import { selfTest } from "../../model/self-test.ts";
import { tryInChild } from "../../model/trial.ts";
import { loadAddon } from "../../native/addon.ts";
import { hasGpu, loadLibrary, unusedGpu } from "../../native/library.ts";
import { CHECKING, OUTPUTS } from "../../options/command-line.ts";
import type { LoadOptions } from "../../options.ts";
import { QRRetriever } from "../../retriever.ts";
import { append } from "../../util/extremes.ts";
import { defaultThreads } from "../../util/threads.ts";
import {
  assertAsPacked,
  type Check,
  checkAddon,
  checkChatTemplate,
  checkDevices,
  checkHeads,
  checkLibrary,
  checkModel,
  checkNode,
  checkPlatform,
  checkSelfTest,
  checkThreads,
  checkTimings,
  checkVariants,
  durationOf,
} from "../checks.ts";
import { describe, EXIT } from "../failure.ts";
import { addHelp } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import {
  addCommonOptions,
  addDeviceOptions,
  addOptions,
  type CommonFlags,
  type ModelFlags,
  toLoadOptions,
} from "../options.ts";
import { green, oneLine, print, printJson, red, yellow } from "../output.ts";
import { progressBar } from "../progress.ts";

type DoctorFlags = CommonFlags & ModelFlags & { json?: boolean };

const HELP = {
  everyday: ["--model", "--check", "--gpu", "--threads", "--json"],
  examples: [
    "qrhead doctor",
    "qrhead doctor -m model.gguf --gpu vulkan",
    "qrhead doctor --check downloaded.gguf         # one line: what is wrong with this file",
  ],
  details: "Exit codes: 0 if no check failed, else 1. A warning is not a failure.",
};

const STATUS = { ok: green("ok  "), warn: yellow("warn"), fail: red("fail") };

/** `qrhead doctor`: says what works on this machine, and what to do about what does not. */
export function registerDoctor(program: Command): void {
  const command = program.command("doctor").description("check this machine, the libraries and a model");
  addOptions(addDeviceOptions(command), [CHECKING.check, OUTPUTS.json]);
  addHelp(addCommonOptions(command), HELP).action(doctor);
}

async function doctor(_: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<DoctorFlags>();
  const signal = interruptSignal();
  const bar = await progressBar(flags.quiet ?? false);
  const checks: Check[] = [];
  const add = (...found: Check[]) => {
    bar.stop();
    append(checks, found);
    if (!flags.json) for (const check of found) print(lineOf(check));
  };
  try {
    const options = { ...toLoadOptions(flags), signal, onProgress: bar.onProgress };
    if (typeof flags.check === "string") add(await checkFile(flags.check, options));
    else await examine(options, add);
  } finally {
    bar.stop();
  }
  const failed = checks.some(({ status }) => status === "fail");
  if (flags.json) printJson({ ok: !failed, checks });
  process.exitCode = failed ? EXIT.failed : EXIT.ok;
}

/** Runs each check whose prerequisites passed. A failed check is a line like the others. */
async function examine(options: LoadOptions, add: (...checks: Check[]) => void): Promise<void> {
  const { signal } = options;
  const asked = options.gpu ?? "auto";
  const attempt = async <T>(name: string, advice: string, work: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      // Messages of qrhead say what to do; messages of others need the advice.
      add({ name, status: "fail", detail: describe(error), ...(!isQRHeadError(error) && { advice }) });
      return undefined;
    }
  };

  add(checkNode());
  const addon = await attempt("addon", "reinstall qrhead", () => {
    assertAsPacked();
    return loadAddon();
  });
  if (!addon) return;
  add(checkPlatform(addon), checkAddon(addon));
  const library = await attempt("library", "reinstall node-llama-cpp", () => loadLibrary(options));
  if (library) add(checkLibrary(library), ...checkDevices(library));
  const variants = () => checkVariants(addon, library?.gpu, asked);
  add(...((await attempt("builds", "reinstall node-llama-cpp", variants)) ?? []));
  if (!library) return;

  // First in a child process, because a damaged file could end this one.
  const loaded = await attempt("model", "try another GGUF", () => loadWithHeads({ ...options, check: "process" }));
  if (!loaded) return;
  await using retriever = loaded.retriever;
  add(checkModel(retriever), ...checkChatTemplate(retriever.model), checkHeads(retriever, loaded.problem));
  const test = await attempt("self-test", "try --gpu false", () => selfTest(retriever, options));
  if (!test) return;
  const aboutHeads = test.result.warnings.filter((warning) => warning !== unusedGpu(library));
  const chosen = loaded.problem === undefined && aboutHeads.length === 0;
  add(checkSelfTest(test, chosen), checkTimings(test));
  const threads = options.threads ?? defaultThreads();
  if (threads === 1 || hasGpu(library.info) || durationOf(test) > LONGEST_COMPARED) return;
  const timed = (count: number) => timeThreads({ ...options, heads: retriever.heads, threads: count });
  const comparison = await attempt("threads", "try --threads 1", async () => {
    const one = await timed(1);
    // The first self-test also read the file from disk. Only a second one shows whether more threads are slower.
    const many = Math.min(durationOf(test), one < durationOf(test) ? await timed(threads) : Number.POSITIVE_INFINITY);
    return checkThreads(threads, many, one);
  });
  if (comparison) add(comparison);
}

/** Milliseconds of a self-test beyond which it is not repeated with another number of threads. */
const LONGEST_COMPARED = 20_000;

async function timeThreads(options: LoadOptions): Promise<number> {
  await using retriever = await QRRetriever.load(options);
  return durationOf(await selfTest(retriever, options));
}

/** One line: whether the file loads, and what a forward pass over it gives. */
async function checkFile(file: string, options: LoadOptions): Promise<Check> {
  const name = "check";
  try {
    await tryInChild(await findModelFile(file, options), options);
    return { name, status: "ok", detail: `${file} loads, and a forward pass gives scores that differ` };
  } catch (error) {
    options.signal?.throwIfAborted();
    return { name, status: "fail", detail: describe(error) };
  }
}

/** The model with the heads published for it, else with all of them and the reason. */
async function loadWithHeads(options: LoadOptions): Promise<{ retriever: QRRetriever; problem?: string }> {
  try {
    return { retriever: await QRRetriever.load(options) };
  } catch (error) {
    if (!isQRHeadError(error) || !error.code.startsWith("HEADS_")) throw error;
    const retriever = await QRRetriever.load({ ...options, check: "none", heads: "all" });
    return { retriever, problem: describe(error) };
  }
}

function lineOf({ name, status, detail, advice }: Check): string {
  const line = `${STATUS[status]} ${name.padEnd(13)} ${oneLine(detail)}`;
  return advice ? `${line}\n     ${"".padEnd(13)} → ${advice}` : line;
}
