import { counted } from "../util/counted.ts";
import { assertList, assertObject } from "../util/given.ts";
import { escapeHtml, htmlPage } from "../util/page.ts";
import type { Inspection } from "./attention.ts";

/** Data inside a script element: nothing in it may end the element or begin a comment. */
function toScript(value: unknown): string {
  return JSON.stringify(value, (_, item) => (typeof item === "number" ? Number(item.toPrecision(3)) : item)).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

const STYLE = `
:root { --more: 220,110,0; --less: 40,110,220; }
@media (prefers-color-scheme: dark) { :root { --more: 255,150,40; --less: 90,150,255; } }
body { max-width: 62rem; line-height: 1.6; }
h1 { font-size: 1.25rem; margin: 0 0 .25rem; } .dim { color: var(--dim); }
form { position: sticky; top: 0; display: flex; flex-wrap: wrap; gap: 1rem; align-items: center; padding: .6rem 0; background: var(--paper); border-bottom: 1px solid var(--line); }
select { font: inherit; max-width: 12rem; }
article { border-bottom: 1px solid var(--line); padding: .8rem 0; display: grid; grid-template-columns: 8.5rem 1fr; gap: 1rem; }
.side { overflow-wrap: anywhere; } .score { font-variant-numeric: tabular-nums; font-size: 1.1rem; font-weight: 600; }
.bar { height: .4rem; background: rgb(var(--more)); border-radius: 2px; margin-top: .3rem; } .bar.less { background: rgb(var(--less)); }
.text { white-space: pre-wrap; overflow-wrap: anywhere; } .text span { border-radius: 2px; }
.key { display: inline-block; width: 1.2rem; height: .9rem; vertical-align: -1px; border-radius: 2px; }
@media (max-width: 40rem) { article { grid-template-columns: 1fr; gap: .3rem; } }`;

/** Runs in the page. Shades tokens by the chosen head's share of the largest value, and sorts documents by score. */
const SCRIPT = `
const form = document.querySelector("form"), list = document.querySelector("main");
const articles = [...list.children], spans = articles.map((a) => [...a.querySelectorAll(".text span")]);
function show() {
  const head = data.heads[+form.head.value], kind = form.kind.value, values = head[kind];
  let largest = 0;
  for (const row of values) for (const value of row) largest = Math.max(largest, Math.abs(value));
  const all = form.head.value === "0";
  const scores = values.map((row, i) => all ? (kind === "raw" ? data.documents[i].rawScore : data.documents[i].score) : row.reduce((a, b) => a + b, 0));
  const top = scores.reduce((most, score) => Math.max(most, Math.abs(score)), 0) || 1;
  articles.forEach((article, i) => {
    values[i].forEach((value, t) => {
      const strength = largest ? Math.sqrt(Math.abs(value) / largest) : 0;
      const span = spans[i][t];
      span.style.background = strength < 0.08 ? "" : "rgba(var(" + (value < 0 ? "--less" : "--more") + ")," + (0.75 * strength).toFixed(3) + ")";
      span.title = value.toPrecision(3);
    });
    article.querySelector(".score").textContent = scores[i].toPrecision(3);
    const bar = article.querySelector(".bar");
    bar.style.width = 100 * Math.abs(scores[i]) / top + "%";
    bar.classList.toggle("less", scores[i] < 0);
  });
  const order = articles.map((_, i) => i);
  if (form.sort.checked) order.sort((a, b) => scores[b] - scores[a] || a - b);
  list.append(...order.map((i) => articles[i]));
}
form.addEventListener("input", show);
show();`;

/**
 * One page that needs nothing else: documents with every token shaded by the attention that it received.
 * @example
 * const inspection = await retriever.inspect("Who wrote it?", ["Ada wrote it."]);
 * const html = inspectionPage(inspection, { name: retriever.model.name, headSet: retriever.headSet });
 */
export function inspectionPage(inspection: Inspection, model: { name: string; headSet: string }): string {
  assertObject(inspection, "inspection", "what inspect gives");
  assertList(inspection.documents, "inspection.documents");
  assertObject(model, "model", "{ name, headSet }");
  const { query, documents, heads, calibrated } = inspection;
  const articles = documents.map(
    ({ id, tokens }) =>
      `<article><div class="side"><div class="score"></div><div class="dim">${escapeHtml(id)}</div><div class="bar"></div></div>` +
      `<div class="text" dir="auto">${tokens.map((token) => `<span>${escapeHtml(token)}</span>`).join("")}</div></article>`,
  );
  const options = heads.map(
    ({ name }, index) =>
      `<option value="${index}">${index === 0 ? "all heads, summed" : `head ${escapeHtml(name)}`}</option>`,
  );
  const data = {
    documents: documents.map(({ score, rawScore }) => ({ score, rawScore })),
    heads: heads.map(({ calibrated, raw }) => ({ calibrated, raw })),
  };
  const script = `const data = ${toScript(data)};${SCRIPT}`;
  const body = `<h1>${escapeHtml(query)}</h1>
<div class="dim">${escapeHtml(model.name)} · ${escapeHtml(model.headSet)} · ${counted(documents.length, "document")}</div>
<form><label>Attention of <select name="head">${options.join("")}</select></label>
<label><input type="radio" name="kind" value="calibrated" checked> calibrated</label>
<label><input type="radio" name="kind" value="raw"${calibrated ? "" : " disabled"}> raw</label>
<label><input type="checkbox" name="sort" checked> best first</label>
<span class="dim"><span class="key" style="background:rgb(var(--more))"></span> more than the null query
<span class="key" style="background:rgb(var(--less))"></span> less</span></form>
<main>${articles.join("")}</main>`;
  return htmlPage({ title: `${query} · qrhead`, style: STYLE, body, script });
}
