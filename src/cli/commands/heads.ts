import type { Command } from "commander";
import type { HeadSet } from "../../heads/head-set.ts";
import { deepestLayer, headKey } from "../../heads/heads.ts";
import { PUBLISHED_HEAD_SETS } from "../../heads/published.ts";
import { OUTPUTS } from "../../options/command-line.ts";
import type { ModelIdentity } from "../../types.ts";
import { counted } from "../../util/counted.ts";
import { describeLocal, trust } from "../describe-detected.ts";
import { findSet, modelFor } from "../find-set.ts";
import { addHelp } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { addCommonOptions, addModelOptions, addOptions, type CommonFlags, type ModelFlags } from "../options.ts";
import { oneLine, print, printJson, warn } from "../output.ts";
import { plainTable } from "../table.ts";
import { registerHeadTools } from "./heads-tools.ts";

type ListFlags = CommonFlags & { json?: boolean };
type ShowFlags = CommonFlags & ModelFlags & { json?: boolean };

const EXAMPLES = [
  "qrhead heads list",
  "qrhead heads show qrhead-llama-3.1-8b-lme",
  "qrhead heads show auto -m model.gguf",
  "qrhead heads show published.yaml -m model.gguf --json > heads.json",
  "qrhead heads trim mine.json --top 8 -o best.json",
  "qrhead heads compare mine.json random:16:1 -m model.gguf",
  "qrhead heads export mine.json --format qrhead-yaml -o config.yaml",
  "qrhead heads plot mine.json -o mine.html",
];

/** `qrhead heads`: the head sets that are known, and what one holds. */
export function registerHeads(program: Command): void {
  const heads = program.command("heads").description("list, show, trim, compare, export and draw head sets");
  addHelp(heads, { examples: EXAMPLES });
  const listing = heads.command("list").description("list the head sets that ship with qrhead");
  addCommonOptions(addOptions(listing, [{ ...OUTPUTS.json, says: "print one JSON array" }])).action(list);
  const showing = heads.command("show").description("show a head set, and whether it fits a model");
  showing.argument(
    "<set>",
    "a published set's name, a head-set file, auto for the set that matches --model, or any heads of it",
  );
  addOptions(addModelOptions(showing), [{ ...OUTPUTS.json, says: "print the set as a head-set file" }]);
  addHelp(addCommonOptions(showing), { examples: EXAMPLES.slice(1, 4) }).action(show);
  registerHeadTools(heads);
}

function list(_: unknown, command: Command): void {
  if (command.optsWithGlobals<ListFlags>().json) {
    printJson(PUBLISHED_HEAD_SETS.map(({ name, set: { heads, ...set } }) => ({ name, ...set, heads: heads.length })));
    return;
  }
  const rows = PUBLISHED_HEAD_SETS.map(({ name, set: { model, heads, objective, source, quality } }) => [
    name,
    model.name,
    `${model.layers}×${model.heads}`,
    String(heads.length),
    [objective, source?.data].filter(Boolean).join(", "),
    quality?.byHeads.find((measured) => measured.heads === heads.length)?.ndcg.toFixed(3) ?? "",
    source?.name ?? "",
  ]);
  print(plainTable(["Name", "Model", "Layers×heads", "Heads", "Objective, data", "nDCG@10, held out", "Source"], rows));
}

async function show(spec: string, _: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<ShowFlags>();
  const model = await modelFor([spec], flags, interruptSignal());
  const { name, set, warning } = findSet(spec, model);
  if (flags.json) return printJson(set);
  print(describeSet(name, set, model));
  if (model) print(`  fits    ${oneLine(`${model.name}, ${model.fileName}`)}`);
  if (warning) warn(warning);
}

function describeSet(name: string, set: HeadSet, known: ModelIdentity | undefined): string {
  const { model, heads, weights, objective, source, prompt, nullQuery, scores } = set;
  const deepest = deepestLayer(heads);
  const needed = !model
    ? `0 to ${deepest} are needed`
    : deepest + 1 === model.layers
      ? `all ${model.layers} are needed`
      : `0 to ${deepest} of ${model.layers} are needed (${Math.round(((deepest + 1) / model.layers) * 100)}%): qrhead slim leaves out the rest`;
  const found = [objective, source?.data, source?.examples && counted(source.examples, "example")]
    .filter(Boolean)
    .join(", ");
  const shape = model
    ? `${model.name} (${model.architecture}, ${counted(model.layers, "layer")} of ${counted(model.heads, "head")})`
    : "not said";
  const lines: [string, string | undefined][] = [
    ["model", shape],
    ["heads", heads.map(headKey).join(",")],
    ["weights", weights?.join(", ")],
    ["layers", needed],
    ["found", found || undefined],
    ["source", [source?.name, source?.url].filter(Boolean).join(", ") || undefined],
    ["prompt", prompt],
    ["null", nullQuery && JSON.stringify(nullQuery)],
    ["scores", scores && `of all ${counted(scores.length * scores[0]!.length, "head")} (--json)`],
  ];
  return [`${oneLine(name)}: ${counted(heads.length, "head")}`]
    .concat(lines.flatMap(([label, value]) => (value ? [`  ${label.padEnd(7)} ${oneLine(value)}`] : [])))
    .concat(describeLocal(heads, (known ?? model)?.slidingWindow), trust(set))
    .join("\n");
}
