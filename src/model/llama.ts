import type { Llama } from "node-llama-cpp";
import { InputError } from "../errors.ts";
import { failedDevices } from "../native/failed-device.ts";
import { loadLibrary } from "../native/library.ts";
import { importNodeLlamaCpp } from "../native/node-llama-cpp.ts";
import type { LoadOptions } from "../options.ts";

/** Opened once for each build: node-llama-cpp tries a build in a process of its own before it uses it, which takes seconds. */
const opened = new Map<string, Promise<Llama>>();

/**
 * node-llama-cpp on the build of llama.cpp that the addon is bound to: one copy in memory, nothing is compiled or
 * downloaded. A build that failed to open is tried again by the next call.
 *
 * @throws InputError for another folder of libraries, which node-llama-cpp cannot be given. QRHeadError `LIBRARY_NOT_FOUND`.
 */
export async function openLlama(options: Pick<LoadOptions, "gpu" | "libraryDirectory">): Promise<Llama> {
  const library = await loadLibrary(options);
  if (library.gpu === "custom") {
    throw new InputError(
      "INVALID_ARGUMENT",
      "node-llama-cpp needs its own build of llama.cpp, but another folder is set",
      { advice: "leave out libraryDirectory and QRHEAD_LLAMA_DIR" },
    );
  }
  // node-llama-cpp would take a device that cannot compute, and end the process.
  const gpu = failedDevices(library.info).length > 0 ? false : library.gpu;
  const key = String(gpu);
  if (!opened.has(key)) {
    const { getLlama, LlamaLogLevel } = await importNodeLlamaCpp();
    const opening = getLlama({
      ...{ gpu, build: "never", skipDownload: true, progressLogs: false },
      logLevel: LlamaLogLevel.disabled,
    });
    opening.catch(() => opened.delete(key));
    opened.set(key, opening);
  }
  return opened.get(key)!;
}
