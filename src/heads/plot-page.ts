import { escapeHtml, htmlPage } from "../util/page.ts";
import type { HeadSet, HeadSetModel } from "./head-set.ts";
import { headKey } from "./heads.ts";
import { plotHeadSet } from "./plot.ts";

const STYLE = `
body { max-width: 860px; }
figure { margin: 0 0 24px; overflow-x: auto; }
main { display: flex; flex-wrap: wrap; gap: 0 48px; }
section { margin: 0 0 24px; }
h2 { font-size: 14px; margin: 0 0 6px; }
p { color: var(--dim); margin: 0 0 8px; max-width: 34em; }
th, td { text-align: right; padding: 2px 16px 2px 0; border-bottom: 1px solid var(--line); font-weight: 400; }
th { color: var(--dim); }
#tip { position: fixed; pointer-events: none; background: var(--ink); color: var(--paper); padding: 4px 8px; border-radius: 4px; font-size: 12px; visibility: hidden; }
`;

/** The titles of the cells, shown at once and beside the pointer; without JavaScript the browser shows them after a while. */
const SCRIPT = `
const tip = document.getElementById("tip");
for (const title of document.querySelectorAll(".head rect > title")) {
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
 * @throws InputError `INVALID_ARGUMENT` for what is no head set of a model.
 * @example
 * const [published] = PUBLISHED_HEAD_SETS;
 * const html = await plotPage(published!.set, published!.name);
 */
export async function plotPage(set: HeadSet & { model: HeadSetModel }, name: string): Promise<string> {
  const map = await plotHeadSet(set, name);
  const body = `<figure>${map}</figure>
<main>
${chosenTable(set)}
<div>${stabilityTable(set)}${qualityTable(set)}</div>
</main>
<div id="tip" aria-hidden="true"></div>`;
  return htmlPage({ title: name, style: STYLE, body, script: SCRIPT });
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
    values.map((value) => `<${tag}>${escapeHtml(value)}</${tag}>`).join("");
  const paragraph = explanation ? `<p>${escapeHtml(explanation)}</p>` : "";
  const body = rows.map((row) => `<tr>${cells("td", row)}</tr>`).join("\n");
  return `<section><h2>${title}</h2>${paragraph}<table><thead><tr>${cells("th", columns)}</tr></thead><tbody>\n${body}\n</tbody></table></section>`;
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)}%`;
}
