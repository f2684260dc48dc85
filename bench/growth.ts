// Whether a process grows: resident memory, threads and open files after many queries, and after many rounds of loading a model
// and disposing of it. Each in a process of its own; processor time does not matter, so other work may run beside it.
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { QRRetriever } from "../src/index.ts";
import { freshTexts, queries, type Row, type Settings, texts } from "./rows.ts";

const ROUNDS = { queries: [500, 5000], models: [50, 500] } as const;
type What = keyof typeof ROUNDS;
type State = { resident: number; threads: number; files: number };

/** What the process has, with nothing left that can be collected. */
async function state(): Promise<State> {
  for (let turn = 0; turn < 3; turn++) {
    globalThis.gc!();
    await setImmediate();
  }
  const count = (folder: string) => readdirSync(`/proc/self/${folder}`).length;
  return { resident: process.memoryUsage.rss(), threads: count("task"), files: count("fd") };
}

const load = (model: string | undefined) => QRRetriever.load({ model, gpu: false, threads: 2, corpusMemory: 2e7 });

/** A query over kept documents of each layout, and one over documents that were in no call before, by turns. */
async function queriesOf(model: string | undefined): Promise<(round: number) => Promise<unknown>> {
  const retriever = await load(model);
  const kept = texts(8, 30, 1);
  const listwise = await retriever.corpus(kept, { layout: "listwise" });
  const independent = await retriever.corpus(kept, { layout: "independent" });
  return (round) => {
    const query = `${queries[round % queries.length]} ${round}`;
    if (round % 3 === 0) return listwise.rank(query);
    return round % 3 === 1 ? independent.rank(query) : retriever.rank(query, freshTexts(4, 30));
  };
}

const modelsOf = (model: string | undefined) => async () => {
  await using retriever = await load(model);
  await retriever.rank(queries[0]!, texts(4, 30, 1));
};

async function grow(what: What, model: string | undefined): Promise<State[]> {
  const run = what === "queries" ? await queriesOf(model) : modelsOf(model);
  const states: State[] = [];
  let round = 0;
  for (const until of ROUNDS[what]) {
    while (round < until) await run(round++);
    states.push(await state());
  }
  return states;
}

export function* growth({ model }: Settings): Generator<Row> {
  const file = fileURLToPath(import.meta.url);
  for (const what of ["queries", "models"] as const) {
    const flags = ["--expose-gc", "--import", "tsx", file, what, ...(model ? [model] : [])];
    const [early, late] = JSON.parse(execFileSync(process.execPath, flags, { encoding: "utf8" })) as [State, State];
    const [few, many] = ROUNDS[what];
    const name = what === "queries" ? "queries" : "rounds of loading and disposing";
    const of = ({ threads, files }: State) => `${threads} threads, ${files} files`;
    yield {
      measure: `resident memory after ${many} ${name} / after ${few}`,
      ...{ value: late.resident / early.resident, atMost: 1.1 },
      detail: `${Math.round(early.resident / 1e6)} and ${Math.round(late.resident / 1e6)} MB; ${of(early)}, then ${of(late)}`,
    };
  }
}

const [, script, what, model] = process.argv;
if (script === fileURLToPath(import.meta.url)) console.log(JSON.stringify(await grow(what as What, model)));
