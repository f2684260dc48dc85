import { assertText } from "../util/given.ts";
import { pagePolicy } from "../util/page-policy.ts";
import { assertSetOfModel } from "./given-set.ts";
import type { HeadSet, HeadSetModel } from "./head-set.ts";
import { headKey } from "./heads.ts";
import { escapeXml, plotHeadSet } from "./plot.ts";

const STYLE = `
:root { color-scheme: light dark; --ink: #1b1b1f; --soft: #62626b; --paper: #ffffff; --rule: #dcdce2; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececf1; --soft: #a5a5b0; --paper: #17171b; --rule: #3a3a42; } }
body { margin: 24px auto; max-width: 860px; padding: 0 16px; background: var(--paper); color: var(--ink); font: 14px/1.5 system-ui, sans-serif; }
figure { margin: 0 0 24px; overflow-x: auto; }
main { display: flex; flex-wrap: wrap; gap: 0 48px; }
section { margin: 0 0 24px; }
h2 { font-size: 14px; margin: 0 0 6px; }
p { color: var(--soft); margin: 0 0 8px; max-width: 34em; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 2px 16px 2px 0; border-bottom: 1px solid var(--rule); font-weight: 400; }
th { color: var(--soft); }
#tip { position: fixed; pointer-events: none; background: var(--ink); color: var(--paper); padding: 4px 8px; border-radius: 4px; font-size: 12px; visibility: hidden; }
`;

/** The titles of the cells, shown at once and beside the pointer; without JavaScript the browser shows them after a while. */
const SCRIPT = `
const tip = document.getElementById("tip");
for (const title of document.querySelectorAll("rect.cell > title")) {
  const cell = title.parentNode;
  const text = title.textContent;
  cell.setAttribute("aria-label", text);
  title.remove();
  cell.addEventListener("pointermove", (event) => {
    tip.textContent = text;
    tip.style.visibility = "visible";
    const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
    tip.style.left = left + "px";
    tip.style.top = event.clientY + 16 + "px";
  });
  cell.addEventListener("pointerleave", () => { tip.style.visibility = "hidden"; });
}
`;

/** Heads that the table lists; the map shows them all. */
const LISTED = 64;

/**
 * The heat map of `plotHeadSet` as a page of its own that loads nothing: with hover text, the chosen heads as a table, and
 * what the set says about its stability and quality.
 * @example
 * const [published] = PUBLISHED_HEAD_SETS;
 * const html = plotPage(published!.set, published!.name);
 */
export function plotPage(set: HeadSet & { model: HeadSetModel }, name: string): string {
  assertSetOfModel(set);
  assertText(name, "name");
  return [
    "<!doctype html>",
    '<html lang="en">',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    pagePolicy(SCRIPT),
    `<title>${escapeXml(name)}</title>`,
    `<style>${STYLE}</style>`,
    `<figure>${plotHeadSet(set, name)}</figure>`,
    "<main>",
    chosenTable(set),
    `<div>${stabilityTable(set)}${qualityTable(set)}</div>`,
    "</main>",
    '<div id="tip" aria-hidden="true"></div>',
    `<script>${SCRIPT}</script>`,
    "</html>",
    "",
  ].join("\n");
}

function chosenTable({ heads, scores, weights }: HeadSet): string {
  const columns = ["rank", "head", ...(scores ? ["score"] : []), ...(weights ? ["weight"] : [])];
  const rows = heads
    .slice(0, LISTED)
    .map(([layer, head], index) => [
      String(index + 1),
      headKey([layer, head]),
      ...(scores ? [short(scores[layer]![head]!)] : []),
      ...(weights ? [short(weights[index]!)] : []),
    ]);
  const more = heads.length > LISTED ? `The first ${LISTED} of ${heads.length}.` : "";
  return section("Heads of the set", more, columns, rows);
}

function stabilityTable({ stability, heads }: HeadSet): string {
  if (!stability) return "";
  const explanation =
    `Two disjoint sets of examples choose ${heads.length} heads each: the share that both chose, ` +
    `mean of ${stability.splits} draws. Chance: ${percent(stability.chance)}.`;
  const rows = stability.curve.map(({ examples, overlap }) => [String(examples), percent(overlap)]);
  return section("Stability", explanation, ["examples each", "overlap"], rows);
}

function qualityTable({ quality }: HeadSet): string {
  if (!quality) return "";
  const explanation = `Ranking of examples that had no say in choosing the heads, in ${quality.folds} folds.`;
  const rows = quality.byHeads.map(({ heads, ndcg, rPrecision }) => [
    String(heads),
    ndcg.toFixed(3),
    rPrecision.toFixed(3),
  ]);
  return section("Held-out quality", explanation, ["heads", "nDCG@10", "R-precision"], rows);
}

function section(title: string, explanation: string, columns: string[], rows: string[][]): string {
  const cells = (tag: string, values: string[]) =>
    values.map((value) => `<${tag}>${escapeXml(value)}</${tag}>`).join("");
  const paragraph = explanation ? `<p>${escapeXml(explanation)}</p>` : "";
  const body = rows.map((row) => `<tr>${cells("td", row)}</tr>`).join("\n");
  return `<section><h2>${title}</h2>${paragraph}<table><thead><tr>${cells("th", columns)}</tr></thead><tbody>\n${body}\n</tbody></table></section>`;
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)}%`;
}
