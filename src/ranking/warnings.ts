import { shortSight } from "../heads/local.ts";
import { unusedGpu } from "../native/library.ts";
import { type Engine, trainedFor } from "../reading/engine.ts";

/**
 * Why a ranking may be worse than these heads can do.
 *
 * @param layout How the documents stand in the prompt, where that was asked for.
 * @param promptTokens Of the longest stretch that the heads look over; undefined where its length is bounded otherwise.
 */
export function warningsOf(
  engine: Engine,
  layout: "listwise" | "independent" | undefined,
  promptTokens: number | undefined,
): string[] {
  const { heads, model, profile, options } = engine;
  const { warning, prompt, name, promptTokens: known = Number.POSITIVE_INFINITY } = heads;
  const warnings = warning ? [warning] : [];
  const unused = options.gpu === false || options.gpuLayers === 0 ? undefined : unusedGpu(model.library);
  if (unused) warnings.push(unused);
  if (prompt && prompt !== "auto" && prompt !== profile.name) {
    warnings.push(`Heads ${name} were found with the ${prompt} prompt, and rank with the ${profile.name} prompt here`);
  }
  const { layout: ownLayout = layout } = heads;
  if (layout && ownLayout !== layout) {
    warnings.push(
      `Heads ${name} rank best with layout ${ownLayout}, and this call has ${layout}: use layout: "${ownLayout}"`,
    );
  }
  if (promptTokens === undefined) return warnings;
  const { contextSize = 0 } = options;
  // Independent documents that do not fit are ranked in windows, whatever the context holds.
  const inWindows = layout === undefined && ownLayout === "independent";
  if (contextSize > trainedFor(engine) && !inWindows) {
    warnings.push(
      `The contextSize ${contextSize} is beyond the ${trainedFor(engine)} tokens that the model was trained for: longer prompts ` +
        "rank worse, and without a contextSize documents that do not fit are ranked in windows",
    );
  }
  if (promptTokens > known) {
    warnings.push(
      `Heads ${name} are known to rank well in prompts of up to ${known} tokens, and this one has ${promptTokens}: ` +
        `rank in windows with windows: { windowTokens: ${Math.max(16, known)} }, or cut the documents`,
    );
  }
  const short = shortSight(heads.heads, model.identity, promptTokens);
  return short === null ? warnings : [...warnings, short];
}
