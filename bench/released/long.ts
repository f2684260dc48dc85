// Documents that are long and few, such as the sessions of a conversation or the chapters of a novel, ranked whole by
// every head set from one reading of each text:
//
//   npx tsx bench/released/long.ts --data locomo --granularity session --model smollm2 --layout independent -o DIR
//
// A query's documents are read once with all heads, and questions about the same documents follow each other and share
// what was read. DIR is a results folder of `qrhead eval`, for `qrhead eval-answer`; `--methods "BM25,QR heads"` leaves the
// others out of it, and `--scores FILE` takes what another run read. Run it again to go on.
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { evalTables } from "../../src/cli/eval/table.ts";
import { evaluate } from "../../src/eval/evaluate.ts";
import { type Method as EvalMethod, plainMethod, type Request } from "../../src/eval/methods/method.ts";
import { everyHead } from "../../src/heads/heads.ts";
import { loadModel } from "../../src/model/model.ts";
import { selectProfile } from "../../src/prompt/profiles.ts";
import { DocumentStore } from "../../src/reading/document-store.ts";
import { layOutDocuments, layOutPrompt } from "../../src/reading/documents.ts";
import type { Engine } from "../../src/reading/engine.ts";
import { IndependentLayout } from "../../src/reading/independent.ts";
import { KvContext } from "../../src/reading/kv-context.ts";
import { ListwiseLayout } from "../../src/reading/listwise.ts";
import { Pool } from "../../src/reading/pool.ts";
import { config } from "./config.ts";
import { methodsOf } from "./methods.ts";
import { NULL_QUERY } from "./reading.ts";

const { values } = parseArgs({
  options: {
    data: { type: "string" },
    granularity: { type: "string" },
    model: { type: "string" },
    models: { type: "string", default: ".cache/real" },
    layout: { type: "string", default: "listwise" },
    limit: { type: "string" },
    "max-document-tokens": { type: "string" },
    methods: { type: "string" },
    scores: { type: "string" },
    measures: { type: "string", default: "ndcg@10,recall@3,recall@5" },
    output: { type: "string", short: "o" },
  },
});
const { data, output, layout } = values;
const chosen = config.models.find(({ key }) => key === values.model);
if (!data || !output || !chosen) throw new Error("Expected --data PATH, --model smollm2 or gemma3, and -o DIR");

/** Cells of independent documents that are kept beside the context: none, since the context holds them. */
const NOTHING = 0;

/** Scores by method of one query, its tokens, and what it cost. */
type Ranked = { query: string; scores: Record<string, number[]>; tokens: number; cpuMs: number };

const options = { model: path.join(values.models, chosen.file), gpu: false as const, threads: 1 };
const loaded = await loadModel(options);
const { identity, info } = loaded;
const profile = selectProfile("auto", { ...identity, bosText: info.bosText, eosText: info.eosText });
const heads = { heads: everyHead(identity.layers, identity.heads), name: "all" };
const engine: Engine = { model: loaded, heads, profile, options };
const context = new KvContext(
  engine,
  layout === "independent"
    ? new IndependentLayout(engine, new DocumentStore(engine, new Pool(NOTHING)))
    : new ListwiseLayout(engine),
);
const all = methodsOf(config, chosen, identity).filter(({ name }) => !name.includes("dense"));
mkdirSync(output, { recursive: true });
const file = values.scores ?? path.join(output, "scores.jsonl");
const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
const known = new Map(lines.map((line) => JSON.parse(line) as Ranked).map((one) => [one.query, one]));

const reported = values.methods?.split(",") ?? all.map(({ name }) => name);
const report = await evaluate({
  data: [data],
  methods: all
    .filter(({ name }) => reported.includes(name))
    .map(({ name, says }): EvalMethod => {
      const rank = async (request: Request) => {
        const ranked = known.get(request.topic.id) ?? (await readOne(request));
        return { scores: ranked.scores[name]!, tokens: ranked.tokens, ms: ranked.cpuMs };
      };
      return { name, spec: says, seesOrder: false, open: async () => plainMethod(rank) };
    }),
  ...{ granularity: values.granularity as "session" | undefined, candidates: 0, limit: numberOf(values.limit) },
  ...{ output, resume: true, measures: values.measures.split(","), load: options },
});
console.log(evalTables(report));
await context.dispose();
await loaded.native.dispose();

async function readOne({ topic, documents, bm25 }: Request): Promise<Ranked> {
  const began = process.cpuUsage();
  const laid = await layOutDocuments(engine, context.layout, documents, {
    order: "given",
    maxDocumentTokens: numberOf(values["max-document-tokens"]),
  });
  const prompt = await layOutPrompt(engine, laid.trunk, topic.query, NULL_QUERY);
  const observed = await context.observeOne(prompt, { rows: "heads" }, {});
  const spans = laid.positions.map((position): [number, number] => [...laid.trunk.documentSpans[position]!]);
  const tokens = Math.max(...spans.map(([, end]) => end));
  const rowsOf = (seen: typeof observed.query) => heads.heads.map((_, row) => seen.row(row).subarray(0, tokens));
  const promptTokens = laid.trunk.tokens.length + prompt.query.length;
  const { user, system } = process.cpuUsage(began);
  const cpuMs = Math.round((user + system) / 1000);
  const read = {
    reading: {
      ...{ task: "", query: topic.id, grades: [...topic.grades], spans, tokens, promptTokens, cpuMs },
      ...{ ids: documents.map(({ id }) => id), bm25: await bm25() },
    },
    attention: { query: rowsOf(observed.query), null: rowsOf(observed.null!) },
    dense: undefined,
  };
  const scores = Object.fromEntries(all.map(({ name, rank }) => [name, [...rank(read)!]]));
  const ranked: Ranked = { query: topic.id, scores, tokens: promptTokens, cpuMs };
  appendFileSync(file, `${JSON.stringify(ranked)}\n`);
  known.set(topic.id, ranked);
  console.log(`${known.size} ${topic.id} ${promptTokens} tokens ${cpuMs} ms`);
  return ranked;
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}
