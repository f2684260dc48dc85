import path from "node:path";
import { InputError } from "../../errors.ts";
import type { CorpusHeader } from "./file.ts";

/** The fields that must agree before saved cells may be used. */
export type CorpusTerms = Pick<
  CorpusHeader,
  "llama" | "model" | "prompt" | "nullQuery" | "cacheTypeK" | "cacheTypeV" | "flashAttention" | "deepestLayer"
>;

/** The error for a file that is a corpus and not one for this retriever. */
export function mismatch(file: string, what: string, advice: string): InputError {
  return new InputError("CORPUS_MISMATCH", `Corpus ${path.basename(file)} ${what}: ${advice}`);
}

/**
 * Checks that a saved corpus may be used by this retriever.
 *
 * @throws InputError `CORPUS_MISMATCH` with the first thing that differs: another model file, llama.cpp release, prompt
 * format, null query, cache type or kind of attention, or heads in layers that were not computed.
 */
export function assertCorpusFits(file: string, saved: CorpusHeader, here: CorpusTerms): void {
  const fail = (what: string, advice: string) => {
    throw mismatch(file, what, advice);
  };
  const again = "save it again";
  if (saved.model.fingerprint !== here.model.fingerprint) {
    const which = saved.model.name === here.model.name ? `another file of ${saved.model.name}` : saved.model.name;
    fail(`was read by ${which}`, `load that model, or save it again with ${here.model.name}`);
  }
  if (saved.llama !== here.llama) fail(`was read by llama.cpp ${saved.llama}, and this is ${here.llama}`, again);
  if (saved.prompt !== here.prompt) {
    fail(
      `has the ${saved.prompt} prompt, and the retriever the ${here.prompt} prompt`,
      "use the same, or save it again",
    );
  }
  if (saved.nullQuery !== here.nullQuery) {
    const [theirs, ours] = [saved.nullQuery, here.nullQuery].map((text) => JSON.stringify(text));
    fail(
      `is calibrated with the null query ${theirs}, and the retriever with ${ours}`,
      "use the same, or save it again",
    );
  }
  for (const [field, what] of [["cacheTypeK", "K"] as const, ["cacheTypeV", "V"] as const]) {
    if (saved[field] !== here[field]) {
      fail(`has a ${what} cache of type ${saved[field]}, and the retriever of ${here[field]}`, "use the same type");
    }
  }
  if (saved.flashAttention !== here.flashAttention) {
    fail(`was read with flash attention ${saved.flashAttention ? "on" : "off"}`, "use the same setting");
  }
  if (saved.deepestLayer < here.deepestLayer) {
    fail(
      `was read up to layer ${saved.deepestLayer}, and these heads need layer ${here.deepestLayer}`,
      "use heads up to that layer, or save it again with these",
    );
  }
}
