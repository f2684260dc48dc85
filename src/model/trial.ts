import { fork } from "node:child_process";
import { stat } from "node:fs/promises";
import path from "node:path";
import { InputError, QRHeadError, type QRHeadErrorCode } from "../errors.ts";
import { packageRoot, unpacked } from "../native/package-root.ts";
import type { LoadOptions } from "../options.ts";
import { lastWords } from "../util/last-words.ts";

/** What the child is asked: options that structured cloning takes, so no signal and no callback. */
export type TrialRequest = Pick<LoadOptions, "model" | "gpu" | "gpuLayers" | "threads" | "mmap" | "libraryDirectory">;

/** The child's answer. If there is none, llama.cpp ended the process. */
export type TrialAnswer = { ok: true } | { ok: false; code: QRHeadErrorCode; message: string };

/** Milliseconds until a child that has not answered is ended: two minutes, and one more for every gigabyte of the file. */
function trialTimeout(bytes: number): number {
  return 120_000 + 60_000 * (bytes / 1e9);
}

const CHILD = path.join(packageRoot, "dist", "isolate", "trial-child.js");

/**
 * Loads a model in a process of its own, with every tensor read, and runs one forward pass of all layers over a short prompt.
 * What llama.cpp asserts on, which would end this process, is an error here.
 *
 * @param file Path of the GGUF.
 * @param program What the process runs.
 * @throws QRHeadError `MODEL_LOAD_FAILED` with llama.cpp's last line, or when the child has not answered in time; and what
 * loading the model throws.
 */
export async function tryInChild(file: string, options: LoadOptions, program = CHILD): Promise<void> {
  const { gpu, gpuLayers, threads, mmap, libraryDirectory, signal } = options;
  const { size } = await stat(file);
  const timeout = options.checkTimeout ?? trialTimeout(size);
  signal?.throwIfAborted();
  // One thread reads a short text in time with a small model, and is faster than several where the machine is busy.
  const own = threads ?? (size < 5e8 ? 1 : undefined);
  const request: TrialRequest = { model: file, gpu, gpuLayers, threads: own, mmap, libraryDirectory };
  const failed = (what: string) => new QRHeadError("MODEL_LOAD_FAILED", `Could not load ${file}: ${what}`);

  const child = fork(unpacked(program), {
    execArgv: [],
    // A backtrace would follow the line that says what failed. Electron's binary runs as Node only if a variable says so.
    env: { ...process.env, GGML_NO_BACKTRACE: "1", ELECTRON_RUN_AS_NODE: "1" },
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    serialization: "advanced",
  });
  const end = () => void child.kill("SIGKILL");
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    end();
  }, timeout);
  signal?.addEventListener("abort", end, { once: true });
  try {
    const { answer, lastLine, how } = await outcome(child, request);
    signal?.throwIfAborted();
    if (answer?.ok) return;
    if (answer) throw typed(answer, failed);
    if (timedOut)
      throw failed(`the process that tried it had no result after ${Math.round(timeout / 1000)} s and was ended`);
    throw failed(`the process that tried it ended (${how})${lastLine ? `: ${lastLine}` : ""}`);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
    end();
  }
}

type Child = ReturnType<typeof fork>;

function outcome(child: Child, request: TrialRequest) {
  return new Promise<{ answer: TrialAnswer | undefined; lastLine: string; how: string }>((resolve, reject) => {
    const lastLine = lastWords(child.stderr);
    child.once("error", (error) =>
      reject(new QRHeadError("ENGINE_FAILED", `No process could be started: ${error.message}`, { cause: error })),
    );
    child.once("message", (message) => resolve({ answer: message as TrialAnswer, lastLine: "", how: "" }));
    child.once("close", (code, signal) =>
      resolve({ answer: undefined, lastLine: lastLine(), how: signal ?? `code ${code}` }),
    );
    // If the child is gone already, its exit event says so.
    child.send(request, () => {});
  });
}

const ABOUT_THE_CALL: ReadonlySet<string> = new Set(["INVALID_ARGUMENT", "INVALID_INPUT"]);
const ABOUT_LOADING = /^(MODEL|LIBRARY|TOKENIZER)_/;

function typed(
  { code, message }: Extract<TrialAnswer, { ok: false }>,
  failed: (what: string) => QRHeadError,
): QRHeadError {
  if (ABOUT_THE_CALL.has(code)) return new InputError(code as "INVALID_INPUT", message);
  return ABOUT_LOADING.test(code) ? new QRHeadError(code, message) : failed(`a first forward pass failed: ${message}`);
}
