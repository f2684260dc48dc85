import { scaleLinear, scaleSequential } from "d3-scale";
import { interpolateViridis } from "d3-scale-chromatic";
import type { Head } from "../types.ts";
import { largestOf, smallestOf } from "../util/extremes.ts";
import { assertText } from "../util/given.ts";
import { UNPRINTABLE } from "../util/unprintable.ts";
import { assertSetOfModel } from "./given-set.ts";
import type { HeadSet, HeadSetModel } from "./head-set.ts";
import { headKey } from "./heads.ts";

/** Pixels. Cells are as large as the width allows, between these. */
const WIDTH = 760;
const CELL = { smallest: 7, largest: 40 };
const MARGIN = { top: 64, right: 24, bottom: 84, left: 60 };
const LEGEND = { width: 220, height: 10, stops: 12 };

/** Colours follow the reader's scheme; the scale is Viridis in both, whose steps look even and survive colour blindness. */
const STYLE = `
.qrhead-map { font: 12px system-ui, sans-serif; --ink: #1b1b1f; --soft: #62626b; --paper: #ffffff; --none: #ececf0; --mark: #e0007a; }
@media (prefers-color-scheme: dark) { .qrhead-map { --ink: #ececf1; --soft: #a5a5b0; --paper: #17171b; --none: #2b2b31; --mark: #ff5fb4; } }
.qrhead-map text { fill: var(--ink); }
.qrhead-map .soft { fill: var(--soft); }
.qrhead-map .title { font-size: 15px; font-weight: 600; }
.qrhead-map .none { fill: var(--none); }
.qrhead-map .mark { fill: none; stroke: var(--mark); pointer-events: none; }
.qrhead-map .gap { fill: none; stroke: var(--paper); pointer-events: none; }
.qrhead-map .cell:hover { stroke: var(--ink); stroke-width: 1.5; }
`;

/** What the map shows of one head. */
type PlottedHead = { head: Head; score: number | null; rank: number | null; chosen: number | null };

/** Every head of the model with its score, its rank by score and its place in the set, both from 1. */
function plottedHeads(set: HeadSet & { model: HeadSetModel }): PlottedHead[] {
  const { model, scores, heads } = set;
  const chosen = new Map(heads.map((head, index) => [headKey(head), index + 1]));
  const all = Array.from({ length: model.layers * model.heads }, (_, index): PlottedHead => {
    const head: Head = [Math.floor(index / model.heads), index % model.heads];
    return { head, score: scores?.[head[0]]?.[head[1]] ?? null, rank: null, chosen: chosen.get(headKey(head)) ?? null };
  });
  if (scores) {
    const order = [...all].sort((a, b) => b.score! - a.score!);
    for (const [index, plotted] of order.entries()) plotted.rank = index + 1;
  }
  return all;
}

/**
 * A heat map of every head, layers downwards and heads to the right, with the heads of the set outlined; one SVG that needs
 * nothing else. Each cell has a title with layer, head, score and rank.
 *
 * @param name What the set is called.
 * @example
 * const [published] = PUBLISHED_HEAD_SETS;
 * const svg = plotHeadSet(published!.set, published!.name);
 */
export function plotHeadSet(set: HeadSet & { model: HeadSetModel }, name: string): string {
  assertSetOfModel(set);
  assertText(name, "name");
  const { layers, heads } = set.model;
  const size = Math.max(
    CELL.smallest,
    Math.min(CELL.largest, Math.floor((WIDTH - MARGIN.left - MARGIN.right) / heads)),
  );
  const width = Math.max(WIDTH, MARGIN.left + heads * size + MARGIN.right);
  const height = MARGIN.top + layers * size + MARGIN.bottom;
  const all = plottedHeads(set);
  const values = all.flatMap(({ score }) => (score === null ? [] : [score]));
  const domain: [number, number] = values.length > 0 ? [smallestOf(values), largestOf(values)] : [0, 1];
  const colour = scaleSequential(domain, interpolateViridis);
  const x = (head: number) => MARGIN.left + head * size;
  const y = (layer: number) => MARGIN.top + layer * size;

  const cells = all.map((plotted) => {
    const { head, score } = plotted;
    const fill = score === null ? 'class="cell none"' : `class="cell" fill="${colour(score)}"`;
    const place = `x="${x(head[1])}" y="${y(head[0])}" width="${size - 1}" height="${size - 1}"`;
    return `<rect ${place} ${fill}><title>${escapeXml(describeHead(plotted, all.length))}</title></rect>`;
  });
  const line = size >= 14 ? 3 : 2;
  const marks = all
    .filter(({ chosen }) => chosen !== null)
    .flatMap(({ head }) => {
      const outline = (kind: string, inset: number, stroke: number) =>
        `<rect class="${kind}" x="${x(head[1]) + inset}" y="${y(head[0]) + inset}" width="${size - 1 - 2 * inset}" ` +
        `height="${size - 1 - 2 * inset}" stroke-width="${stroke}"/>`;
      return [outline("mark", 0, line), outline("gap", line / 2 + 0.5, 1)];
    });
  const summary = describeSet(set);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="qrhead-map" viewBox="0 0 ${width} ${height}" width="${width}" ` +
      `height="${height}" role="img" aria-labelledby="qrhead-title qrhead-desc">`,
    `<title id="qrhead-title">${escapeXml(name)}</title>`,
    `<desc id="qrhead-desc">${escapeXml(`${summary}. Chosen: ${set.heads.map(headKey).join(", ")}`)}</desc>`,
    `<style>${STYLE}</style>`,
    '<rect width="100%" height="100%" style="fill: var(--paper)"/>',
    `<text class="title" x="${MARGIN.left}" y="26">${escapeXml(name)}</text>`,
    `<text class="soft" x="${MARGIN.left}" y="46">${escapeXml(summary)}</text>`,
    ...axis(layers, size).map(
      (layer) =>
        `<text class="soft" x="${MARGIN.left - 8}" y="${y(layer) + size / 2}" text-anchor="end" dominant-baseline="central">${layer}</text>`,
    ),
    ...axis(heads, size).map(
      (head) =>
        `<text class="soft" x="${x(head) + size / 2}" y="${y(layers) + 14}" text-anchor="middle">${head}</text>`,
    ),
    `<text x="${x(heads / 2)}" y="${y(layers) + 32}" text-anchor="middle">head</text>`,
    `<text transform="translate(18 ${y(layers / 2)}) rotate(-90)" text-anchor="middle">layer</text>`,
    ...cells,
    ...marks,
    ...(values.length > 0 ? legend(domain, MARGIN.left, y(layers) + 46) : []),
    chosenKey(MARGIN.left + (values.length > 0 ? LEGEND.width + 68 : 0), y(layers) + 46),
    "</svg>",
    "",
  ].join("\n");
}

/** "Layer 13, head 18: score 0.0123, rank 2 of 1024, chosen as number 2". */
function describeHead({ head, score, rank, chosen }: PlottedHead, total: number): string {
  const parts = [
    score === null ? null : `score ${Number(score.toPrecision(4))}`,
    rank === null ? null : `rank ${rank} of ${total}`,
    chosen === null ? null : `number ${chosen} of the set`,
  ].filter((part) => part !== null);
  return `Layer ${head[0]}, head ${head[1]}${parts.length > 0 ? `: ${parts.join(", ")}` : ""}`;
}

function describeSet({ model, heads, objective, source }: HeadSet & { model: HeadSetModel }): string {
  const count = source?.examples;
  const found = [objective, count === undefined ? null : `${count} ${count === 1 ? "example" : "examples"}`];
  const origin = found.filter(Boolean).join(", ");
  const share = `${heads.length} of ${model.layers * model.heads} heads`;
  return `${share} of ${model.name}${origin ? ` · ${origin}` : ""}${source ? ` · ${source.name}` : ""}`;
}

/** Numbers to write along an axis so that they do not touch. */
function axis(count: number, size: number): number[] {
  const ticks = scaleLinear([0, count], [0, count * size]).ticks(Math.max(1, Math.floor((count * size) / 26)));
  return ticks.filter((tick) => Number.isInteger(tick) && tick < count);
}

function legend(domain: [number, number], x: number, y: number): string[] {
  const stops = Array.from({ length: LEGEND.stops }, (_, index) => index / (LEGEND.stops - 1));
  const position = scaleLinear(domain, [x, x + LEGEND.width]);
  const ticks = position.ticks(4);
  const format = position.tickFormat(4);
  return [
    '<defs><linearGradient id="qrhead-scale">',
    ...stops.map((stop) => `<stop offset="${stop.toFixed(3)}" stop-color="${interpolateViridis(stop)}"/>`),
    "</linearGradient></defs>",
    `<rect x="${x}" y="${y}" width="${LEGEND.width}" height="${LEGEND.height}" fill="url(#qrhead-scale)"/>`,
    `<text x="${x + LEGEND.width + 8}" y="${y + 9}">score</text>`,
    ...ticks.map(
      (tick) =>
        `<text class="soft" x="${position(tick).toFixed(1)}" y="${y + LEGEND.height + 14}" text-anchor="middle">${format(tick)}</text>`,
    ),
  ];
}

function chosenKey(x: number, y: number): string {
  return (
    `<rect class="mark" x="${x}" y="${y - 2}" width="13" height="13" stroke-width="3"/>` +
    `<text x="${x + 22}" y="${y + 9}">in the set</text>`
  );
}

/** Text on one line as XML and HTML may hold it; what cannot be printed is dropped. */
export function escapeXml(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text
    .replace(/[\t\n\r]/g, " ")
    .replace(UNPRINTABLE, "")
    .replace(/[&<>"']/g, (sign) => entities[sign]!);
}
