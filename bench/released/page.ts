import { headKey } from "../../src/heads/heads.ts";
import type { Head } from "../../src/types.ts";
import { mean } from "../../src/util/mean.ts";
import type { Config } from "./config.ts";
import type { Cost } from "./cost.ts";
import type { Method } from "./methods.ts";
import { type Difference, difference, type MeasureKey, type Results, rowsOf, valuesOf } from "./table.ts";

export type Part = {
  model: Config["models"][number];
  methods: readonly Method[];
  choices: readonly Method[];
  /** Of both, on the same queries. */
  results: Results;
  /** Heads with labels and without, where both are known. */
  labels?: { labelled: readonly Head[]; unlabelled: readonly Head[]; total: number };
  costs: { name: string; cost: Cost }[];
};

const PAIRS = [
  ["QR heads", "all heads (ICR)"],
  ["QR heads", "random heads"],
  ["all heads (ICR)", "random heads"],
  ["QR heads", "one head"],
  ["QR heads", "Wu's heads"],
  ["QR heads, no labels", "QR heads"],
  ["no labels, 8", "QR heads"],
  ["QR heads, weighted", "QR heads"],
  ["QR heads", "dense"],
  ["QR heads + BM25", "QR heads"],
  ["QR heads + BM25", "all heads (ICR) + BM25"],
  ["QR heads + BM25", "dense + BM25"],
  ["QR heads + BM25, RRF", "QR heads + BM25"],
] as const;

/** The page of results. `conclusion` is what somebody who read the numbers says of them. */
export function resultPage(config: Config, parts: readonly Part[], conclusion: string): string {
  const { candidates, maxDocumentTokens, seed } = config;
  return `# Released models, measured

Do heads rank, on models that others released? BM25's ${candidates} best candidates are ordered anew by heads of each model.

${conclusion.trim()}

## What is compared

Each set gives as many queries as the table says, drawn by seed ${seed}. Documents are cut at ${maxDocumentTokens} tokens for the heads; BM25 sees them whole, and MiniLM their first 510 tokens. The best candidate stands next to the query. Gain is linear, as in trec_eval. The head sets were found on hotpot_train100: other questions of the source of hotpot_train_val500, and none of these sets. Nothing was tuned to them. Pools of hotpot hold ten documents, all of them candidates. Brackets hold 95 % bootstrap intervals; * marks p below .05 against BM25 (paired randomization test over the queries of all sets, not corrected for the number of rows). **The samples are small**: a column of one set says little, the last two say more.

${parts.map((part) => section(config, part)).join("\n")}
## What was not measured

- RankGPT, which reads the candidates once more and then writes. With qrhead mini v2 all its answers were malformed.
- CLIPPER's whole chapters and LongMemEval: a novel does not fit SmolLM2's 8,192 tokens, and LongMemEval is not at hand; LoCoMo's turns stand in for it.
- The order of the documents, other templates and objectives: each needs readings or detections of its own.
- Answers from what was retrieved.
- Models above 270 million parameters, other quantisations, GPUs.

## How it was made

\`\`\`sh
npm run models:real
npx tsx bench/released/main.ts --data DIR
\`\`\`

[config.json](../../bench/released/config.json) names models, sets and heads. The command reads each query once with all heads, keeps the attention, and goes on where it stopped; \`--minutes N\` bounds the reading. Every row is scored from those readings with the formula of \`rank\`: for one query of each model the scores of the QR heads and those of \`QRRetriever.rank\` differ by at most 2.5e-8 of the largest. [released-models.json](released-models.json) holds the values of every query; it holds no text.
`;
}

function section(config: Config, part: Part): string {
  const { model, methods, results, choices, labels, costs } = part;
  const rows = rowsOf(methods);
  const says = methods.filter(({ name }) => !/^random, [2-9]/.test(name));
  return `## ${model.title}

### nDCG@10

${mainTable(results, rows, config)}

${says.map((method) => `- ${method.name.replace(/^random, 1$/, "random heads")}: ${method.says}`).join("\n")}

### Recall

${recallTable(results, rows, config)}

### One against another

All queries of all sets, nDCG@10.

${pairTable(results, rows, config)}

${ordering(results, rows)}

### What each choice is worth

The same readings, nDCG@10 over all queries, and the difference to the default. Heads are in the order of their labelled scores${model.key === "gemma3" ? "; those of layers with a sliding window are left out, but for `all heads`" : ""}.

${choiceTable(results, choices, config)}
${labels ? overlap(labels) : ""}
### Cost

One thread, the same three queries of ${config.candidates} candidates in a process of their own; processor time on a machine that other work shared, so provisional. Reading all heads took ${(results.cpuMs / 1000).toFixed(1)} s a query (median, of ${results.promptTokens} tokens).

| | processor seconds a query | peak memory, MiB |
|---|---|---|
${costs.map(({ name, cost }) => `| ${name} | ${cost.cpuSeconds.toFixed(1)} | ${cost.peakMiB} |`).join("\n")}
`;
}

function mainTable(results: Results, rows: Map<string, string[]>, config: Config): string {
  const { sets } = results;
  const total = sets.reduce((sum, { queries }) => sum + queries, 0);
  const lines = [...rows].map(([row, names]) => {
    const each = sets.map((set) => mean(valuesOf(set, names, "ndcg@10")));
    const cells = [...each, overall(results, names, "ndcg@10")].map(short);
    return `| ${row} | ${cells.join(" | ")} | ${row === "BM25" ? "" : against(results, names, config)} |`;
  });
  const ceilings = sets.map(({ ceiling }) => short(ceiling["ndcg@10"]));
  const best = sets.reduce((sum, { ceiling, queries }) => sum + ceiling["ndcg@10"] * queries, 0) / total;
  return [
    `| | ${sets.map(({ name, queries }) => `${name}, n = ${queries}`).join(" | ")} | all, n = ${total} | all, against BM25 |`,
    `|---|${"---|".repeat(sets.length + 2)}`,
    ...lines,
    `| best order of the candidates | ${ceilings.join(" | ")} | ${short(best)} | |`,
  ].join("\n");
}

function recallTable(results: Results, rows: Map<string, string[]>, config: Config): string {
  const lines = [...rows].map(([row, names]) => {
    const cells = (["recall@5", "recall-all@5"] as const).flatMap((key) => {
      const apart = row === "BM25" ? "" : against(results, names, config, key);
      return [short(overall(results, names, key)), apart];
    });
    return `| ${row} | ${cells.join(" | ")} |`;
  });
  return [
    "| all sets | recall@5 | against BM25 | recall-all@5 | against BM25 |",
    "|---|---|---|---|---|",
    ...lines,
  ].join("\n");
}

function pairTable(results: Results, rows: Map<string, string[]>, config: Config): string {
  const lines = PAIRS.flatMap(([a, b]) => {
    const [left, right] = [rows.get(a), rows.get(b)];
    if (!left || !right) return [];
    const found = difference(results, [left, right], config);
    return [
      `| ${a} − ${b} | ${signed(found.mean)} | ${signed(found.low)} to ${signed(found.high)} | ${chance(found.p)} |`,
    ];
  });
  return ["| | difference | 95 % interval | p |", "|---|---|---|---|", ...lines].join("\n");
}

/** On how many sets QR heads are ahead of all heads, and these of random ones. */
function ordering({ sets }: Results, rows: Map<string, string[]>): string {
  const count = (a: string, b: string) => {
    const [left, right] = [a, b].map((row) =>
      sets.map((set) => Math.round(mean(valuesOf(set, rows.get(row)!, "ndcg@10")) * 1000)),
    ) as [number[], number[]];
    const names = (keep: (apart: number) => boolean) =>
      sets.filter((_, index) => keep(left[index]! - right[index]!)).map(({ name }) => name);
    const [ahead, behind] = [names((apart) => apart > 0), names((apart) => apart < 0)];
    const level = sets.length - ahead.length - behind.length;
    return `ahead on ${ahead.length} of ${sets.length} sets, level on ${level}, behind on ${behind.length}${behind.length > 0 ? ` (${behind.join(", ")})` : ""}`;
  };
  return `By the means of the sets, QR heads against all heads: ${count("QR heads", "all heads (ICR)")}. All heads against random ones: ${count("all heads (ICR)", "random heads")}.`;
}

function choiceTable(results: Results, choices: readonly Method[], config: Config): string {
  const lines = choices.map(({ name }, index) => {
    const found = difference(results, [[name], [choices[0]!.name]], config);
    const apart = index === 0 ? " | " : `${signed(found.mean)} | ${signed(found.low)} to ${signed(found.high)}`;
    return `| ${name} | ${short(overall(results, [name], "ndcg@10"))} | ${apart} |`;
  });
  return ["| | nDCG@10 | difference | 95 % interval |", "|---|---|---|---|", ...lines].join("\n");
}

function overlap({ labelled, unlabelled, total }: NonNullable<Part["labels"]>): string {
  const counts = [...new Set([4, Math.min(8, unlabelled.length), unlabelled.length])].filter(
    (n) => n <= unlabelled.length && n < total,
  );
  const shared = (count: number) => {
    const known = new Set(labelled.slice(0, count).map(headKey));
    return unlabelled.slice(0, count).filter((head) => known.has(headKey(head))).length;
  };
  const lines = counts.map((count) => `${shared(count)} of the first ${count}`);
  return `
### With labels and without

\`detect --bootstrap\` chose heads from text alone, 18 examples of 20 passages; the published set comes from 100 labelled questions. Of ${total} heads that see the whole prompt they share ${lines.join(", ")}. What either is worth: rows \`QR heads, no labels\` and \`QR heads\` above.
`;
}

const overall = ({ sets }: Results, names: readonly string[], key: MeasureKey) =>
  mean(sets.flatMap((set) => valuesOf(set, names, key)));

function against(results: Results, names: readonly string[], config: Config, key: MeasureKey = "ndcg@10"): string {
  const found: Difference = difference(results, [names, ["BM25"]], config, key);
  return `${signed(found.mean)} (${signed(found.low)} to ${signed(found.high)})${found.p < 0.05 ? " *" : ""}`;
}

const short = (value: number) => (Number.isFinite(value) ? value.toFixed(3).replace(/^(-?)0\./, "$1.") : "");
const signed = (value: number) => {
  const text = short(Math.abs(value) < 0.0005 ? 0 : value);
  return text.startsWith("-") ? text.replace("-", "−") : `+${text}`;
};
const chance = (p: number) => (p < 0.001 ? "&lt; .001" : short(p));
