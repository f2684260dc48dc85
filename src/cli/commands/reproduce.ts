import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { Argument, type Command } from "commander";
import { InputError } from "../../errors.ts";
import { evaluate, JOURNAL_NAME } from "../../eval/evaluate.ts";
import {
  COMPARED,
  PUBLISHED_TABLES,
  type PublishedTable,
  publishedNumber,
  type TableName,
} from "../../eval/published-numbers.ts";
import type { EvalReport } from "../../eval/report/report.ts";
import { findSetting, type Setting } from "../../eval/settings.ts";
import { matchHeadSet } from "../../heads/match.ts";
import { findPublished, type PublishedModelKey } from "../../heads/published.ts";
import { loadModel } from "../../model/model.ts";
import { OUTPUTS, REPRODUCING } from "../../options/command-line.ts";
import type { FlagsOf } from "../../options/spec.ts";
import { counted } from "../../util/counted.ts";
import { addHelp } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import {
  addCommonOptions,
  addHeadsOption,
  addModelOptions,
  addOptions,
  addPassOptions,
  type CommonFlags,
  type ModelFlags,
  type PassFlags,
  toLoadOptions,
  toPassOptions,
} from "../options.ts";
import { note, print, printJson } from "../output.ts";
import { progressBar } from "../progress.ts";
import { reproduceDetection } from "../reproduce-detect.ts";
import { plainTable } from "../table.ts";
import { describeFailures, showOutcomes } from "./eval.ts";

type ReproduceFlags = CommonFlags &
  ModelFlags &
  PassFlags &
  FlagsOf<typeof REPRODUCING, "data"> & { heads?: string; json?: boolean };

/** A number of the paper and ours, in percent. */
type Row = {
  set: string;
  measure: string;
  method: string;
  queries: number;
  published: number | null;
  ours: number;
  low: number;
  high: number;
  difference: number | null;
};

const HELP = {
  everyday: ["--model", "--data", "--heads", "--output", "--limit", "--json"],
  examples: [
    "qrhead reproduce beir -m Llama-3.1-8B-Instruct-Q4_K_M.gguf --data beir",
    "qrhead reproduce longmemeval -m Llama-3.1-8B-Instruct-Q4_K_M.gguf --data longmemeval_s.json",
    "qrhead reproduce clipper -m Llama-3.1-8B-Instruct-Q4_K_M.gguf --data clipper",
    "qrhead reproduce detect -m my.gguf --heads my-heads.json --data examples.jsonl",
  ],
  details: `
Data: a folder of BEIR sets by the paper's names (nq, trec-covid, …) or one of them, LongMemEval's file, CLIPPER's folder, or
examples for detect. Other sets and models are measured in the same way; there is then no number to compare with.

The same command goes on with a run that was stopped. With --candidates, --limit or --max-document-words, which fit smaller
models and patience, the setting is no longer the paper's, and the table says so.`,
};

/** `qrhead reproduce`: tables of the QRHead paper, measured again beside the published numbers. */
export function registerReproduce(program: Command): void {
  const command = program
    .command("reproduce")
    .description("measure a table of the QRHead paper again, beside its numbers")
    .addArgument(new Argument("<table>", "which one").choices([...Object.keys(PUBLISHED_TABLES), "detect"]));
  addOptions(command, [...Object.values(REPRODUCING), OUTPUTS.json]);
  addPassOptions(addHeadsOption(addModelOptions(command)));
  addHelp(addCommonOptions(command), HELP).action(reproduce);
}

async function reproduce(name: TableName | "detect", _: unknown, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<ReproduceFlags>();
  const signal = interruptSignal();
  const { data, output = `reproduce-${name}` } = flags;
  const { heads: _heads, ...load } = { ...toLoadOptions(flags), ...toPassOptions(flags) };
  const { identity, native } = await loadModel({ ...load, signal });
  await native.dispose();
  if (name === "detect") return reproduceDetection(flags, { data, output, identity, load: { ...load, signal } });

  const table: PublishedTable = PUBLISHED_TABLES[name];
  const setting = findSetting(table.setting);
  const match = matchHeadSet(identity);
  // The paper has numbers of the very model alone.
  const model = match && match.warning === undefined ? findPublished(match.name)?.modelKey : undefined;
  const heads = flags.heads ?? findPublished(`qrhead-${model}-${table.heads}`)?.name ?? match?.name ?? "auto";
  const measures = [...new Set(table.columns.map(({ measure }) => measure))];
  const bar = await progressBar(flags.quiet ?? false);
  try {
    const report = await evaluate({
      data: name === "beir" ? await beirSets(data) : [data],
      ...{ candidates: flags.candidates ?? setting.candidates, granularity: setting.granularity },
      methods: ["bm25", "icr", `qrhead=qrhead:${heads}`],
      load: { ...load, order: setting.order },
      measures,
      ...{ gain: "linear", baseline: "bm25", permutations: 0, output, resume: true, signal },
      ...{ limit: flags.limit ?? setting.limit, seed: setting.seed, draw: setting.draw },
      ...{ maxDocumentWords: flags.maxDocumentWords ?? setting.maxDocumentWords },
      command: `qrhead reproduce ${name}`,
      onOutcome: showOutcomes(bar),
    });
    bar.stop();
    const rows = rowsOf(report, table, model);
    const changed = changes(flags, setting);
    if (flags.json) return printJson({ table: name, source: table.source, model: identity.name, heads, changed, rows });
    print(`${table.source}\n${identity.name}, heads ${heads}${changed.length > 0 ? "" : ", in the paper's setting"}`);
    if (changed.length > 0) print(`Not the paper's setting: ${changed.join(", ")}`);
    print(tableOf(rows));
    describeFailures(report);
    if (!flags.quiet) note(`\nRankings are in ${path.join(output, JOURNAL_NAME)}`);
  } finally {
    bar.stop();
  }
}

/** The folder itself where it is a set, else the sets in it. */
async function beirSets(folder: string): Promise<string[]> {
  const isSet = async (place: string) => {
    const files = ["corpus.jsonl", "corpus.tsv"].flatMap((name) => [name, `${name}.gz`]);
    const found = await Promise.all(files.map((file) => stat(path.join(place, file)).catch(() => undefined)));
    return found.some((one) => one !== undefined);
  };
  if (await isSet(folder)) return [folder];
  const names = await readdir(folder).catch(() => [] as string[]);
  const sets: string[] = [];
  for (const name of names.sort()) if (await isSet(path.join(folder, name))) sets.push(path.join(folder, name));
  if (sets.length > 0) return sets;
  throw new InputError("INVALID_INPUT", `${folder} is no BEIR set and holds none: expected a folder with corpus.jsonl`);
}

function rowsOf({ tasks }: EvalReport, table: PublishedTable, model: PublishedModelKey | undefined): Row[] {
  return tasks.flatMap(({ name: set, methods }) =>
    methods.flatMap(({ method, measures, queries }) =>
      Object.entries(measures).map(([measure, interval]): Row => {
        const [ours, low, high] = [interval.mean, interval.low, interval.high].map((value) => value * 100) as [
          number,
          number,
          number,
        ];
        const compared = COMPARED.find((one) => one === method)!;
        const published = publishedNumber(table, model, compared, { set, measure });
        const difference = published === null ? null : ours - published;
        return { set, measure, method, queries, published, ours, low, high, difference };
      }),
    ),
  );
}

/** What of the paper's setting the flags have changed. */
function changes(
  { candidates, limit, maxDocumentWords, maxDocumentTokens }: ReproduceFlags,
  setting: Setting,
): string[] {
  const said = (value: number | undefined, of: number | undefined, one: string, several: string) =>
    value === undefined || value === of ? [] : [`${counted(value, one, several)}${of ? ` in place of ${of}` : ""}`];
  return [
    ...said(candidates, setting.candidates, "candidate", "candidates"),
    ...said(limit, setting.limit, "query", "queries"),
    ...said(maxDocumentWords, setting.maxDocumentWords, "word a document", "words a document"),
    ...said(maxDocumentTokens, undefined, "token a document", "tokens a document"),
  ];
}

function tableOf(rows: readonly Row[]): string {
  const show = (value: number | null) => (value === null ? "–" : value.toFixed(1));
  const sign = (value: number | null) => (value === null ? "–" : `${value >= 0 ? "+" : ""}${value.toFixed(1)}`);
  const head = ["Set", "Measure", "Method", "Queries", "Published", "Ours", "95 % interval", "Difference"];
  const cells = rows.map(({ set, measure, method, queries, published, ours, low, high, difference }) => [
    ...[set, measure, method, String(queries), show(published), show(ours)],
    ...[`${show(low)} to ${show(high)}`, sign(difference)],
  ]);
  return plainTable(head, cells, [], [3, 4, 5, 6, 7]);
}
