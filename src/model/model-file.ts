import { open, stat } from "node:fs/promises";
import path from "node:path";
import { InputError, QRHeadError } from "../errors.ts";
import { importNodeLlamaCpp } from "../native/node-llama-cpp.ts";
import type { Progress } from "../options.ts";
import { builtInModel, isBuiltInName } from "./built-in.ts";
import { CATALOGUE } from "./catalogue.ts";
import { canPull, pullModel, unreachable } from "./pull.ts";
import { findPulled } from "./store.ts";

const URI = /^(hf|huggingface|https?):/i;
const isWellFormed = (uri: string) => (/^http/i.test(uri) ? URL.canParse(uri) : /^\w+:(\/\/)?[^/]+\/[^/]/.test(uri));

/**
 * Finds the file of a model: a built-in one (`base`, `mini`, or none named), a path, the name of a pulled model, or a URI
 * that node-llama-cpp resolves and downloads into its own models folder.
 *
 * @throws InputError `INVALID_ARGUMENT` for a malformed URI.
 * @throws InputError `INVALID_INPUT` when there is no such file, it is no GGUF, or `base` is not installed.
 * @throws QRHeadError `MODEL_LOAD_FAILED` when a download fails.
 */
export async function findModelFile(
  model: string | undefined,
  options: {
    modelsDirectory?: string | undefined;
    signal?: AbortSignal | undefined;
    onProgress?: ((progress: Progress) => void) | undefined;
  } = {},
): Promise<string> {
  if (model === undefined || isBuiltInName(model)) return checkGguf(builtInModel(model));
  const { modelsDirectory: directory, signal, onProgress } = options;
  if (!URI.test(model)) {
    const found = (await findPulled(model, directory)) ?? path.resolve(model);
    return checkGguf(found, Object.hasOwn(CATALOGUE, model.toLowerCase()) ? model.toLowerCase() : undefined);
  }
  if (!isWellFormed(model)) {
    const ways = "use hf:OWNER/REPOSITORY/FILE.gguf or the http(s) address of a .gguf file";
    throw new InputError("INVALID_ARGUMENT", `${JSON.stringify(model)} names no model: ${ways}`);
  }
  if (directory !== undefined && canPull(model)) {
    return (await pullModel(model, { directory, signal, onProgress })).file;
  }
  const { resolveModelFile } = await importNodeLlamaCpp();
  // node-llama-cpp tries for minutes without saying so.
  const offline = await unreachable(/^https?:/i.test(model) ? new URL(model) : undefined, signal);
  try {
    return await resolveModelFile(model, {
      cli: false,
      ...(offline && { download: false }),
      ...(directory !== undefined && { directory: path.resolve(directory) }),
      ...(signal && { signal }),
      onProgress: ({ downloadedSize, totalSize }) =>
        onProgress?.({ phase: "download", done: downloadedSize, total: totalSize }),
    });
  } catch (error) {
    signal?.throwIfAborted();
    const reason = offline ?? (error instanceof Error ? error.message.split("\n", 1)[0] : String(error));
    throw new QRHeadError("MODEL_LOAD_FAILED", `Could not download ${model}: ${reason}`, { cause: error });
  }
}

/** Checks what llama.cpp reports badly: does the path exist, is it a file, is it a GGUF? */
async function checkGguf(file: string, catalogued?: string): Promise<string> {
  const found = await stat(file).catch(() => undefined);
  if (!found) {
    const advice = catalogued
      ? `fetch it with \`qrhead models pull ${catalogued}\`, and use the name that this prints`
      : "pass the path of a GGUF file, or a name of `qrhead models list`";
    throw new InputError("INVALID_INPUT", `Model ${file} does not exist`, { advice });
  }
  if (!found.isFile()) throw new InputError("INVALID_INPUT", `Model ${file} is a folder: pass the path of a GGUF file`);
  const handle = await open(file).catch((error: unknown) => {
    throw new InputError("INVALID_INPUT", `Model ${file} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  });
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    if (bytesRead === 4 && buffer.toString("latin1") === "GGUF") return file;
    throw new InputError(
      "INVALID_INPUT",
      `Model ${file} is not a GGUF file: convert it with llama.cpp's convert_hf_to_gguf.py`,
    );
  } finally {
    await handle.close();
  }
}
