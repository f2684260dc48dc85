// What every head of a model gives to the candidates of training questions, one JSON line a question: heads are chosen from
// these lines. Goes on where it stopped.
//
//   npx tsx scripts/base/collect.ts --train FOLDER --model CUT.gguf --output lines.jsonl [--order reverse|given|shuffled]
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { seededRandom } from "../../src/heads/heads.ts";
import { QRRetriever } from "../../src/index.ts";
import type { Head } from "../../src/types.ts";
import type { Line } from "./lines.ts";
import { trainingPools } from "./training-pools.ts";

const { values: given } = parseArgs({
  options: {
    train: { type: "string" },
    model: { type: "string" },
    output: { type: "string" },
    first: { type: "string", default: "8" },
    last: { type: "string", default: "22" },
    "per-file": { type: "string", default: "8" },
    candidates: { type: "string", default: "10" },
    from: { type: "string", default: "0" },
    seed: { type: "string", default: "1" },
    threads: { type: "string", default: "1" },
    prompt: { type: "string", default: "auto" },
    layout: { type: "string", default: "listwise" },
    order: { type: "string", default: "reverse" },
  },
});
const { train, model, output, order } = given;
if (!train || !model || !output) throw new Error("Expected --train FOLDER --model FILE --output FILE");

const pools = trainingPools(train, Number(given["per-file"]), Number(given.candidates), Number(given.seed));
const done = new Set(
  existsSync(output)
    ? readFileSync(output, "utf8")
        .split("\n")
        .filter(Boolean)
        .map((line) => (JSON.parse(line) as Line).id)
    : [],
);
const [first, last] = [Number(given.first), Number(given.last)];
const heads = Array.from({ length: last - first + 1 }, (_, i) => i + first).flatMap((layer) =>
  Array.from({ length: 9 }, (_, head): Head => [layer, head]),
);
const retriever = await QRRetriever.load({
  model,
  heads,
  threads: Number(given.threads),
  gpu: false,
  mask: false,
  order: order === "reverse" ? "reverse" : "given",
  prompt: given.prompt as "auto",
  layout: given.layout as "listwise",
});
const began = performance.now();
for (const [i, { id, query, docs, gold, bm25 }] of pools.entries()) {
  if (done.has(id) || i < Number(given.from)) continue;
  const places = docs.map((_, place) => place);
  if (order === "shuffled") {
    const random = seededRandom(i + 1);
    const keys = places.map(() => random());
    places.sort((a, b) => keys[a]! - keys[b]!);
  }
  const shown = places.map((place) => docs[place]!);
  const { results, usage } = await retriever.rank(query, shown, { headScores: true });
  const byIndex = [...results].sort((a, b) => places[a.index]! - places[b.index]!);
  const line: Line = {
    id,
    gold: docs.map((document) => Number(gold.includes(document.id))),
    bm25,
    tokens: docs.map((_, place) => usage.documentTokens[places.indexOf(place)]!),
    heads: heads.map((_, head) => byIndex.map(({ headScores }) => Number(headScores![head]!.toPrecision(5)))),
  };
  appendFileSync(output, `${JSON.stringify(line)}\n`);
  console.log(
    `${i + 1} of ${pools.length}, ${usage.promptTokens} tokens, ${Math.round((performance.now() - began) / 1000)} s`,
  );
}
await retriever.dispose();
