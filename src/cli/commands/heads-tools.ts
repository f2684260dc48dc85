import path from "node:path";
import type { Command } from "commander";
import { formatHeadSet } from "../../detect/format.ts";
import { compareHeadSets, type HeadSetComparison } from "../../heads/compare.ts";
import { type ExportFormat, exportHeadSet } from "../../heads/export.ts";
import { headKey } from "../../heads/heads.ts";
import { trimHeadSet } from "../../heads/trim.ts";
import { HEAD_TOOLS, OUTPUTS } from "../../options/command-line.ts";
import { counted } from "../../util/counted.ts";
import { assertWritable, writeWhole } from "../../util/output-file.ts";
import { type FoundSet, findSet, modelFor, ofModel } from "../find-set.ts";
import { formatPlot } from "../head-plot.ts";
import { interruptSignal } from "../interrupt.ts";
import { addCommonOptions, addModelOptions, addOptions, type CommonFlags, type ModelFlags } from "../options.ts";
import { oneLine, print, printJson, printText, warn } from "../output.ts";
import { plainTable } from "../table.ts";

type ToolFlags = CommonFlags & ModelFlags & { json?: boolean; output?: string; force?: boolean };

const SET = "a published set's name, a head-set file, or with --model any heads";

/** `qrhead heads trim`, `compare`, `export` and `plot`. */
export function registerHeadTools(heads: Command): void {
  const trimming = heads.command("trim").description("write a head set with only the best heads of another");
  trimming.argument("<set>", SET);
  const file = { ...OUTPUTS.output, says: "head-set file to write", required: true };
  addOptions(addModelOptions(trimming), [HEAD_TOOLS.top, file, OUTPUTS.force]);
  addCommonOptions(trimming).action(trim);

  const comparing = heads.command("compare").description("compare two head sets of one model");
  comparing.argument("<a>", SET).argument("<b>", "another");
  addOptions(addModelOptions(comparing), [OUTPUTS.json]);
  addCommonOptions(comparing).action(compare);

  const exporting = heads.command("export").description("write a head set in a published format");
  exporting.argument("<set>", SET);
  const output = {
    ...OUTPUTS.output,
    ...{ writes: false, flagSays: "file to write, - for standard output", shortDefault: "standard output" },
  };
  addOptions(addModelOptions(exporting), [HEAD_TOOLS.format, output, OUTPUTS.force]);
  addCommonOptions(exporting).action(exportSet);

  const plotting = heads.command("plot").description("draw a map of all heads with the chosen ones marked");
  plotting.argument("<set>", SET);
  addOptions(addModelOptions(plotting), [HEAD_TOOLS.picture, OUTPUTS.force]);
  addCommonOptions(plotting).action(plot);
}

async function compare(a: string, b: string, _: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<ToolFlags>();
  const model = await modelFor([a, b], flags, interruptSignal());
  const [first, second] = [findSet(a, model), findSet(b, model)];
  const comparison = compareHeadSets(first.set, second.set);
  if (flags.json) return printJson(comparison);
  print(describeComparison(first, second, comparison));
}

function describeComparison(a: FoundSet, b: FoundSet, comparison: HeadSetComparison): string {
  const { shared, overlap, jaccard, chance, top, spearman } = comparison;
  const withCount = ({ name, set }: FoundSet) => `${oneLine(name)} (${counted(set.heads.length, "head")})`;
  const lines = [
    `${withCount(a)} and ${withCount(b)}`,
    `  shared    ${shared.length}: ${shared.map(headKey).join(",") || "none"}`,
    `  overlap   ${percent(overlap)} of the smaller set${chance === null ? "" : `, ${percent(chance)} by chance`}`,
    `  jaccard   ${jaccard.toFixed(3)}`,
  ];
  if (spearman !== null) lines.push(`  spearman  ${spearman.toFixed(3)} over all heads`);
  if (top.length === 0) return lines.join("\n");
  const rows = top.map((entry) => [String(entry.heads), percent(entry.overlap), percent(entry.chance)]);
  return [...lines, "", plainTable(["Best heads", "Overlap", "By chance"], rows, [], [0, 1, 2])].join("\n");
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)}%`;
}

async function trim(spec: string, _: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<ToolFlags & { top: number; output: string }>();
  const { top, output, force = false } = flags;
  await assertWritable(path.resolve(output), force);
  const found = findSet(spec, await modelFor([spec], flags, interruptSignal()));
  const set = ofModel(found);
  const trimmed = trimHeadSet(set, top, found.name);
  await writeWhole(path.resolve(output), formatHeadSet(trimmed), { force, shared: true });
  print(
    `${oneLine(output)}: the first ${top} of ${counted(set.heads.length, "head")}, ${trimmed.heads.map(headKey).join(",")}`,
  );
}

async function exportSet(spec: string, _: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<ToolFlags & { format: ExportFormat }>();
  const { force = false } = flags;
  const output = flags.output === "-" ? undefined : flags.output;
  if (output !== undefined) await assertWritable(path.resolve(output), force);
  const { name, set } = findSet(spec, await modelFor([spec], flags, interruptSignal()));
  const text = exportHeadSet(set, flags.format, name);
  if (output === undefined) printText(text);
  else await writeWhole(path.resolve(output), text, { force, shared: true });
  if (set.weights) warn(`${flags.format} has no place for weights: they are left out`);
}

async function plot(spec: string, _: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<ToolFlags & { output: string }>();
  const { output, force = false } = flags;
  await assertWritable(path.resolve(output), force);
  const { name, set } = findSet(spec, await modelFor([spec], flags, interruptSignal()));
  await writeWhole(path.resolve(output), await formatPlot(set, name, output), { force, shared: true });
  print(
    `${oneLine(output)}: ${counted(set.heads.length, "head")} marked${set.scores ? "" : "; the set has no scores to colour the others by"}`,
  );
}
