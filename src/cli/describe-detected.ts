import type { DetectedHeadSet } from "../detect/format.ts";
import type { HeadSet } from "../heads/head-set.ts";
import { deepestLayer, headKey } from "../heads/heads.ts";
import { countLocal, localHeads } from "../heads/local.ts";
import type { Head, ModelIdentity } from "../types.ts";
import { counted } from "../util/counted.ts";
import { oneLine } from "./output.ts";
import { decimalsFor, plainTable } from "./table.ts";

/** What was found, how far it can be trusted, and the heads, as text. */
export function describeDetected(set: DetectedHeadSet, output: string): string {
  const { model, heads, weights, objective, source, prompt, scores } = set;
  const deepest = deepestLayer(heads);
  const needed =
    deepest + 1 === model.layers
      ? `all ${model.layers} are needed`
      : `0 to ${deepest} of ${model.layers} are needed: qrhead slim leaves out the rest`;
  const values = heads.map(([layer, head]) => scores[layer]![head]!);
  const decimals = decimalsFor(values);
  const count = counted(source.examples!, "example");
  const skipped = source.skipped === undefined ? "" : ` (${source.skipped} longer than the context left out)`;
  const rows = heads.map((head, rank) => [
    String(rank + 1),
    headKey(head),
    values[rank]!.toFixed(decimals),
    ...(weights ? [weights[rank]!.toFixed(3)] : []),
  ]);
  const columns = ["Rank", "Head", "Score", ...(weights ? ["Weight"] : [])];
  return [
    `${oneLine(output)}: ${heads.length} of ${counted(model.layers * model.heads, "head")}`,
    `  model   ${oneLine(model.name)} (${oneLine(model.architecture)}, ${counted(model.layers, "layer")} of ${counted(model.heads, "head")})`,
    `  found   ${objective}, ${count} of ${oneLine(source.name)}, prompt ${prompt}${skipped}`,
    `  layers  ${needed}`,
    ...describeLocal(heads, model.slidingWindow),
    ...(set.stability && set.quality
      ? trust(set)
      : [`  trust   unknown: ${count} ${source.examples === 1 ? "is" : "are"} too few to say`]),
    "",
    plainTable(columns, rows, [], [0, 2, 3]),
  ].join("\n");
}

/** What to say of heads that `--top` asked for and that the examples speak against; undefined without any. */
export function unratedNote({ heads, scores }: DetectedHeadSet): string | undefined {
  const count = heads.filter(([layer, head]) => !(scores[layer]![head]! > 0)).length;
  if (count === 0) return undefined;
  const what = count === 1 ? "1 of the heads has" : `${count} of the heads have`;
  return `${what} no rating above zero, as --top asked for so many: without --top they are left out`;
}

/** Which heads of a set look back a few tokens only; no line where none does. */
export function describeLocal(heads: readonly Head[], window: ModelIdentity["slidingWindow"]): string[] {
  if (!window) return [];
  if (window.layers === null)
    return [`  local   some layers look back ${window.tokens} tokens only; the file does not say which`];
  const local = localHeads(heads, window);
  if (local.length === 0)
    return [`  local   none: ${window.layers.length} layers look back ${window.tokens} tokens only, others are used`];
  return [
    `  local   ${countLocal(local, heads)} look back ${window.tokens} tokens only: keep prompts within that, or leave them out`,
  ];
}

/** What a set says about how far to trust it, a line each; none where it says nothing. */
export function trust({ heads, stability, quality, fit, calibration }: HeadSet): string[] {
  const lines: string[] = [];
  if (stability) {
    lines.push(
      `  stable  ${percent(stability.overlap)} of the heads are the same when ${stability.examples} other examples choose ` +
        `(${percent(stability.chance)} by chance)`,
    );
  }
  if (quality) {
    const held = quality.byHeads.map(({ heads, ndcg }, index) =>
      index === quality.byHeads.length - 1 ? `all ${ndcg.toFixed(3)}` : `${heads}: ${ndcg.toFixed(3)}`,
    );
    lines.push(`  ranks   nDCG@10 of held-out examples by number of heads: ${held.join(", ")}`);
  }
  if (fit) {
    const { plain, weighted } = fit.ndcg;
    const verdict = fit.kept ? `kept, ${heads.length} heads are left` : "left out, the plain sum is used";
    lines.push(
      `  weights ${verdict}: nDCG@10 of held-out examples ${weighted.toFixed(3)} weighted, ${plain.toFixed(3)} plain, ` +
        `standard error of the difference ${fit.standardError.toFixed(3)}`,
    );
  }
  for (const [layout, curve] of Object.entries(calibration ?? {})) {
    const { a, b, words, heldOut } = curve;
    const constants = [
      `a ${a.toPrecision(3)}`,
      `b ${b.toPrecision(3)}`,
      ...(words ? [`words ${words.toPrecision(3)}`] : []),
    ];
    const measured = heldOut
      ? `: tells held-out documents apart with an AUC of ${heldOut.auc.toFixed(3)}, loss ${heldOut.logLoss.toFixed(3)} (0.693 says nothing)`
      : "";
    lines.push(`  relevance  ${layout}, ${constants.join(", ")}${measured}`);
  }
  return lines;
}

function percent(share: number): string {
  return `${Math.round(100 * share)}%`;
}
