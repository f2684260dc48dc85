// Ranks on the device that it is told and prints what was found, or the error: a process binds one build of llama.cpp.
import { isQRHeadError, QRRetriever } from "../../../src/index.ts";
import { loadLibrary } from "../../../src/native/library.ts";

const { gpu, model } = JSON.parse(process.argv[2]!);
const found: Record<string, unknown> = {};
try {
  const { info, vulkan } = await loadLibrary({ gpu });
  Object.assign(found, { devices: info.devices, vulkan });
  if (model) {
    await using retriever = await QRRetriever.load({ model, gpu, heads: "all", threads: 1, contextSize: 256 });
    const { results, warnings, timings } = await retriever.rank("Who trimmed the lamp?", [
      "The keeper trimmed the lamp.",
      "Smoke calms a hive.",
    ]);
    Object.assign(found, {
      scores: results.map(({ index, score }) => [index, score]),
      warnings,
      threads: timings.threads,
    });
  }
} catch (error) {
  if (!isQRHeadError(error)) throw error;
  found.error = { code: error.code, option: error.option, message: error.message };
}
process.stdout.write(JSON.stringify(found));
