import { InputError, invalidArgument } from "../errors.ts";
import { EXPORT_FORMATS } from "../options/choices.ts";
import { rankDocuments } from "../ranking/scoring/ranking.ts";
import { assertHeadSet } from "./given-set.ts";
import type { HeadSet } from "./head-set.ts";
import { everyHead, headKey } from "./heads.ts";

/** A published format that a head set can be written in; `parseHeadSet` reads them back. */
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/**
 * Writes a head set in a published format.
 *
 * - `qrhead-yaml`: the configuration that QRRetriever of QRHead's code loads; heads without scores
 * - `qrhead-list`: what QRHead's detection scripts write, `[["13-18", score], …]`, every head, best first
 * - `wu`: scores of the retrieval heads' repository (arXiv 2404.15574), `{"13-18": [score], …}`, one trial for each head
 *
 * None of them has a place for weights, prompt or provenance.
 *
 * @throws InputError `INVALID_ARGUMENT` for what is no head set or an unknown format, `INVALID_INPUT` for a format of scores and a set that does not score every head.
 * @example
 * const yaml = exportHeadSet(parseHeadSet("13-18,13-21", "mine"), "qrhead-yaml", "mine");
 */
export function exportHeadSet(set: HeadSet, format: ExportFormat, name: string): string {
  assertHeadSet(set);
  if (!EXPORT_FORMATS.includes(format)) throw invalidArgument("format", `one of ${EXPORT_FORMATS.join(", ")}`, format);
  if (format === "qrhead-yaml") return toQRHeadYaml(set);
  if (!set.scores) {
    throw new InputError(
      "INVALID_INPUT",
      `${name} does not score every head, and ${format} is a format of scores: export it as qrhead-yaml`,
    );
  }
  return format === "wu" ? toWuScores(set.scores) : toQRHeadList(set.scores);
}

/** QRHead's configuration. */
function toQRHeadYaml({ heads, model }: HeadSet): string {
  const lines = [`attn_head_set: ${JSON.stringify(heads.map(headKey).join(","))}`];
  // A JSON string is a YAML string.
  if (model) lines.push(`model_base_class: ${JSON.stringify(model.name)}`);
  return `${lines.join("\n")}\n`;
}

/** QRHead's detection list, on one line as its scripts write it. @param scores `[layer][head]` */
function toQRHeadList(scores: readonly (readonly number[])[]): string {
  const flat = scores.flat();
  const heads = everyHead(scores.length, scores[0]!.length);
  return `${JSON.stringify(rankDocuments(flat).map((index) => [headKey(heads[index]!), flat[index]]))}\n`;
}

/** The scores of Wu et al. on one line. @param scores `[layer][head]`: the score of each trial, or one for all. */
export function toWuScores(scores: readonly (readonly (number | readonly number[])[])[]): string {
  const entries = scores.flatMap((row, layer) =>
    row.map((trials, head) => [headKey([layer, head]), typeof trials === "number" ? [trials] : trials]),
  );
  return `${JSON.stringify(Object.fromEntries(entries))}\n`;
}
