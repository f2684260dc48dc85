import { cell, type PlotOptions, text } from "@observablehq/plot";
import { mean } from "../../src/util/mean.ts";
import { drawPicture } from "../../src/util/plotting.ts";

/** What a model answered without a set of heads; `recall`: share of the needle's words that the answer has. */
export type Answer = {
  set: string;
  needle: number;
  tokens: number;
  depth: number;
  recall: number;
  answer: string;
};

/** `random 16, 2` and the like are draws of one condition. */
const conditionOf = (set: string) => set.replace(/, \d+$/, "");

function grouped<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const name = key(item);
    groups.set(name, [...(groups.get(name) ?? []), item]);
  }
  return groups;
}

/** Mean recall by length and depth, one panel a condition, as the paper draws it: dark green is found, red is not. */
export function drawNeedles(answers: readonly Answer[]): string {
  const conditions = [...new Set(answers.map(({ set }) => conditionOf(set)))];
  const cells = [
    ...grouped(answers, ({ set, tokens, depth }) => JSON.stringify([conditionOf(set), tokens, depth])).values(),
  ];
  const rows = cells.map((cell) => ({
    condition: conditionOf(cell[0]!.set),
    tokens: String(cell[0]!.tokens),
    depth: `${Math.round(cell[0]!.depth * 100)} %`,
    recall: mean(cell.map(({ recall }) => recall)),
  }));
  const ordered = (pick: (answer: Answer) => number) => [...new Set(answers.map(pick))].sort((a, b) => a - b);
  const options: PlotOptions = {
    ...{ width: 120 + 190 * conditions.length, height: 260, marginLeft: 60, marginTop: 30, marginBottom: 45 },
    style: { fontSize: "12px", background: "white", color: "black" },
    padding: 0,
    fx: { label: null, domain: conditions, padding: 0.08 },
    x: { label: "tokens of the text", domain: ordered(({ tokens }) => tokens).map(String) },
    y: { label: "depth", domain: ordered(({ depth }) => depth).map((depth) => `${Math.round(depth * 100)} %`) },
    color: { type: "linear", domain: [0, 1], scheme: "RdYlGn" },
    marks: [
      cell(rows, { fx: "condition", x: "tokens", y: "depth", fill: "recall", inset: 0.5 }),
      text(rows, {
        ...{ fx: "condition", x: "tokens", y: "depth", fill: "black" },
        text: ({ recall }: { recall: number }) => recall.toFixed(2).replace(/^0/, ""),
      }),
    ],
  };
  const title =
    "Share of the needle's words in the answer, by length and depth, without the heads named above each panel";
  return drawPicture(options, { title, style: "" });
}

/** A Markdown table: trials, mean recall and answers that count, by set and length. */
export function summaryTable(answers: readonly Answer[]): string {
  const lengths = [...new Set(answers.map(({ tokens }) => tokens))].sort((a, b) => a - b);
  const number = (value: number) => (Number.isNaN(value) ? "" : value.toFixed(2).replace(/^0/, ""));
  const rows = [...grouped(answers, ({ set }) => set)].map(([set, found]) => {
    const counted = found.filter(({ recall }) => recall > 0.5).length;
    const byLength = lengths.map((length) =>
      number(mean(found.filter(({ tokens }) => tokens === length).map(({ recall }) => recall))),
    );
    return `| ${set} | ${number(mean(found.map(({ recall }) => recall)))} | ${byLength.join(" | ")} | ${counted} of ${found.length} |`;
  });
  return [
    `| without | mean | ${lengths.map((length) => `${length} tokens`).join(" | ")} | answers with more than half |`,
    `|---|---|${lengths.map(() => "---|").join("")}---|`,
    ...rows,
  ].join("\n");
}
