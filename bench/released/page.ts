import { mean } from "../../src/util/mean.ts";
import type { Config } from "./config.ts";
import type { Cost } from "./cost.ts";
import type { Method } from "./methods.ts";
import { paraphraseTable } from "./paraphrases.ts";
import { type Difference, difference, type MeasureKey, type Results, rowsOf, valuesOf } from "./table.ts";

/** Choices on one model, the default first, on the same queries. */
export type ChoicePart = {
  model: Config["models"][number];
  choices: readonly Pick<Method, "name">[];
  results: Results;
};

export type Part = ChoicePart & {
  methods: readonly Method[];
  /** Of methods and choices. */
  results: Results;
  paraphrases: Results;
  costs: { name: string; cost: Cost }[];
};

const PAIRS = [
  ["QR heads", "all heads (ICR)"],
  ["QR heads", "random heads"],
  ["QR heads", "Wu's heads"],
  ["QR heads, no labels", "QR heads"],
  ["no labels, 4", "QR heads"],
  ["QR heads, weighted", "QR heads"],
  ["heads for few shared words", "QR heads"],
  ["heads for both", "QR heads"],
  ["QR heads", "dense"],
  ["QR heads + BM25", "dense + BM25"],
] as const;

/** Left out of the table of all queries: measured against QR heads below, or not worth a row. */
const OMITTED = ["QR heads, weighted", "all heads (ICR) + BM25"];

/** Rows of the table of sets. All others are in the JSON file. */
const BY_SET = ["BM25", "dense", "all heads (ICR)", "QR heads", "QR heads + BM25"] as const;

/**
 * The page of results.
 *
 * @param texts `conclusion`: what somebody who read the numbers says of them; `variants`: what `variantSection` gave; `further`:
 * sections of what other commands measured.
 */
export function resultPage(
  config: Config,
  parts: readonly Part[],
  { conclusion, variants, further }: Record<"conclusion" | "variants" | "further", string>,
): string {
  const { candidates, maxDocumentTokens, seed } = config;
  return `# Released models, measured

Do heads rank on models that others released? Heads of each model rerank BM25's ${candidates} best candidates.

${conclusion.trim()}

## Setting

- Queries: drawn by seed ${seed}, as many per set as [the table](#by-set) says. **The samples are small:** one set says little.
- Documents: cut at ${maxDocumentTokens} tokens for the heads and 510 for MiniLM (\`dense\`: all-MiniLM-L6-v2, cosine), whole for BM25. The best candidate is next to the query. Pools of hotpot hold ten documents, and all are candidates.
- \`A + B\`: z-scores, ${config.fuseWeight} each; RRF: reciprocal ranks. Random heads: as many as the QR heads, mean of ${config.randomDraws} draws.
- Heads: found on hotpot_train100, other questions of the source of hotpot_train_val500; those for few shared words on [117 training questions](../../bench/released/few-shared-words.ts) of other sources. Nothing was tuned to these sets.
- nDCG@10 with linear gain, as in trec_eval. Brackets have 95 % bootstrap intervals. * marks p below .05 against BM25 (paired randomization test, not corrected for the number of rows).

## All queries

${mainTable(config, parts)}

${parts.map(methodList).join("\n\n")}

## By set

nDCG@10.

${parts.map(setTable).join("\n\n")}

## Questions that share no word with their answer

How many of 24 questions have the answer first; mean over four orders, in which every document is once at every place. Chance is 6. [bench/paraphrases.jsonl](../../bench/paraphrases.jsonl) has the answer, a decoy that repeats a word of the question, and two others; the answer is equally often the longest, second, third and shortest.

${paraphraseTable(
  parts.map(({ model: { title }, methods, paraphrases }) => ({ title, methods, results: paraphrases })),
  seed,
)}

## One against another

Difference in nDCG@10 over all queries.

${pairTable(config, parts)}

## What each choice is worth

nDCG@10 over all queries, and the difference to the default. Heads are in the order of their labelled scores; heads with a sliding window are only in \`all heads\`.

${choiceTable(config, parts)}

${variants.trim()}

## Cost

Processor seconds per query and peak memory in MiB: three queries of ${candidates} candidates, one thread, a process each, on a busy machine.

${costTable(parts)}

${further.trim()}

## Run it

\`\`\`sh
npm run models:real
npx tsx bench/released/few-shared-words.ts --train DIR --judge .cache/real/all-MiniLM-L6-v2-F16.gguf -o few-shared-words.jsonl
npx tsx bench/released/main.ts --data DIR        # --minutes N stops earlier; the same command continues
npx tsx bench/released/variants.ts --data DIR    # order, prompt and null query
\`\`\`

[config.json](../../bench/released/config.json) names models, sets and heads. Each query is read once with all heads; every row is scored from that reading with the formula of \`rank\`. For one query per model these scores and those of \`QRRetriever.rank\` differ by at most 2.5e-8 of the largest. [released-models.json](released-models.json) has every query's value, recall@5 and recall-all@5 included, and no text; [released-variants.json](released-variants.json) has those of orders, prompts and null queries.
`;
}

const queriesOf = ({ sets }: Results) => sets.reduce((sum, { queries }) => sum + queries, 0);

/** A section on orders, prompts, null queries and heads, measured on fewer queries than the rest. */
export function variantSection(config: Config, parts: readonly ChoicePart[]): string {
  const counted = parts.map((part) => {
    const title = `${part.model.title}, n = ${queriesOf(part.results)}`;
    return { ...part, model: { ...part.model, title } };
  });
  return `## Order, prompt and null query

nDCG@10 and the difference to the default, on the first queries of each set above. By default BM25's best candidate is next to the query, the prompt is the model's own (\`template\` on SmolLM2; \`plain\` on Gemma 3, a base model without a chat template), and the null query is \`N/A\`. Best first is how \`rank\` reads a list as a search gives it; shuffled is one order a query. The heads are those of the default, found with its prompt on the order of the file. Intervals are not corrected for the number of rows; * marks p below .05 after Bonferroni's correction for the rows of a model (paired randomization test).

${choiceTable(config, counted, true)}
`;
}

/** A page with a section in place of the one of the same heading. */
export function withSection(page: string, section: string): string {
  const heading = section.slice(0, section.indexOf("\n") + 1);
  const begin = page.indexOf(heading);
  if (begin === -1) throw new Error(`The page has no section ${heading.trim()}`);
  const end = page.indexOf("\n## ", begin);
  return `${page.slice(0, begin)}${section.trim()}\n${page.slice(end)}`;
}

/** A row for every method that any model has. */
function mainTable(config: Config, parts: readonly Part[]): string {
  const columns = parts.map(({ methods, results }) => ({ rows: rowsOf(methods), results }));
  const names = new Set(columns.flatMap(({ rows }) => [...rows.keys()].filter((row) => !OMITTED.includes(row))));
  const lines = [...names].map((row) => {
    const cells = columns.flatMap(({ rows, results }) => {
      const methods = rows.get(row);
      if (!methods) return ["", ""];
      return [short(overall(results, methods, "ndcg@10")), row === "BM25" ? "" : against(results, methods, config)];
    });
    return `| ${row} | ${cells.join(" | ")} |`;
  });
  const best = parts.map(({ results }) => {
    const sum = results.sets.reduce((all, { ceiling, queries }) => all + ceiling["ndcg@10"] * queries, 0);
    return `${short(sum / queriesOf(results))} | `;
  });
  return [
    `| | ${parts.map(({ model, results }) => `${model.title}, n = ${queriesOf(results)} | against BM25`).join(" | ")} |`,
    `|---|${"---|---|".repeat(parts.length)}`,
    ...lines,
    `| best order of the candidates | ${best.join(" | ")} |`,
  ].join("\n");
}

/** Where the rows of one model come from; the names of the others say it. */
function methodList({ model, methods }: Part): string {
  const lines = methods.flatMap(({ name, says }) =>
    /^random| \+ |^BM25$|^all heads|^dense/.test(name) ? [] : [`- ${name}: ${says}`],
  );
  return `${model.title}:\n\n${lines.join("\n")}`;
}

function setTable({ model, methods, results }: Part): string {
  const rows = rowsOf(methods);
  const lines = results.sets.map((set) => {
    const cells = BY_SET.map((row) => short(mean(valuesOf(set, rows.get(row)!, "ndcg@10"))));
    return `| ${set.name} | ${set.queries} | ${cells.join(" | ")} |`;
  });
  return [
    `| ${model.title} | queries | ${BY_SET.join(" | ")} |`,
    `|---|${"---|".repeat(BY_SET.length + 1)}`,
    ...lines,
  ].join("\n");
}

function pairTable(config: Config, parts: readonly Part[]): string {
  const lines = PAIRS.map(([a, b]) => {
    const cells = parts.map(({ methods, results }) => {
      const rows = rowsOf(methods);
      const [left, right] = [rows.get(a), rows.get(b)];
      return left && right ? interval(difference(results, [left, right], config)) : "";
    });
    return `| ${a} − ${b} | ${cells.join(" | ")} |`;
  });
  return [`| | ${titles(parts)} |`, `|---|${"---|".repeat(parts.length)}`, ...lines].join("\n");
}

/** With `corrected`, * marks what is beyond chance after Bonferroni's correction for the model's rows. */
function choiceTable(config: Config, parts: readonly ChoicePart[], corrected = false): string {
  const names = [...new Set(parts.flatMap(({ choices }) => choices.map(({ name }) => name)))];
  const lines = names.map((name) => {
    const cells = parts.map(({ choices, results }) => {
      if (!choices.some((choice) => choice.name === name)) return "";
      const value = short(overall(results, [name], "ndcg@10"));
      const first = choices[0]!.name;
      if (name === first) return value;
      const apart = difference(results, [[name], [first]], config);
      const isBeyond = corrected && apart.p < 0.05 / (choices.length - 1);
      return `${value}, ${interval(apart)}${isBeyond ? " *" : ""}`;
    });
    return `| ${name} | ${cells.join(" | ")} |`;
  });
  return [`| | ${titles(parts)} |`, `|---|${"---|".repeat(parts.length)}`, ...lines].join("\n");
}

function costTable(parts: readonly Part[]): string {
  const plain = (name: string) => name.replace(/ \(\d+\)$/, "");
  const names = [...new Set(parts.flatMap(({ costs }) => costs.map(({ name }) => plain(name))))];
  const lines = names.map((row) => {
    const cells = parts.map(({ costs }) => {
      const found = costs.find(({ name }) => plain(name) === row);
      return found ? `${found.cost.cpuSeconds.toFixed(1)}, ${found.cost.peakMiB}` : "";
    });
    return `| ${row} | ${cells.join(" | ")} |`;
  });
  return [`| | ${titles(parts)} |`, `|---|${"---|".repeat(parts.length)}`, ...lines].join("\n");
}

const titles = (parts: readonly ChoicePart[]) => parts.map(({ model }) => model.title).join(" | ");

const overall = ({ sets }: Results, names: readonly string[], key: MeasureKey) =>
  mean(sets.flatMap((set) => valuesOf(set, names, key)));

function against(results: Results, names: readonly string[], config: Config): string {
  const found = difference(results, [names, ["BM25"]], config);
  return `${interval(found)}${found.p < 0.05 ? " *" : ""}`;
}

const short = (value: number) => (Number.isFinite(value) ? value.toFixed(3).replace(/^(-?)0\./, "$1.") : "");
const signed = (value: number) => {
  const text = short(Math.abs(value) < 0.0005 ? 0 : value);
  return text.startsWith("-") ? text.replace("-", "−") : `+${text}`;
};
const interval = ({ mean: apart, low, high }: Difference) => `${signed(apart)} (${signed(low)} to ${signed(high)})`;
