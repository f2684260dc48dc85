import { type PlotOptions, rect, text } from "@observablehq/plot";
import type { Head } from "../types.ts";
import { counted } from "../util/counted.ts";
import { largestOf, smallestOf } from "../util/extremes.ts";
import { drawPicture, printable } from "../util/plotting.ts";
import type { HeadSet, HeadSetModel } from "./head-set.ts";
import { headKey } from "./heads.ts";

/** Pixels. Cells are as large as the width allows, between these. */
const WIDTH = 760;
const CELL = { smallest: 7, largest: 40 };
const MARGIN = { top: 64, right: 24, bottom: 90, left: 60 };
const RAMP = { width: 220, height: 10, steps: 110 };
/** Pixels from one number of an axis to the next. */
const APART = 26;

/** Colours follow the reader's scheme; the scale is Viridis in both, whose steps look even and survive colour blindness. */
const STYLE = `
.qrhead-map { --ink: #1b1b1f; --soft: #62626b; --paper: #ffffff; --none: #ececf0; --mark: #e0007a; background: var(--paper); color: var(--ink); }
@media (prefers-color-scheme: dark) { .qrhead-map { --ink: #ececf1; --soft: #a5a5b0; --paper: #16181b; --none: #2b2b31; --mark: #ff5fb4; } }
.qrhead-map .head rect:hover { stroke: var(--ink); stroke-width: 1.5; }
`;

/** What the map shows of one head. */
type PlottedHead = { layer: number; head: number; score: number | null; rank: number | null; chosen: number | null };
type Pixels = { x1: number; x2: number; y1: number; y2: number };

/** A heat map of every head, layers downwards and heads to the right, as `plotHeadSet` describes it. */
export function drawHeadMap(set: HeadSet & { model: HeadSetModel }, name: string): string {
  const { layers, heads } = set.model;
  const room = WIDTH - MARGIN.left - MARGIN.right;
  const size = Math.max(CELL.smallest, Math.min(CELL.largest, Math.floor(room / heads)));
  const width = Math.max(WIDTH, MARGIN.left + heads * size + MARGIN.right);
  const height = MARGIN.top + layers * size + MARGIN.bottom;
  const all = plottedHeads(set);
  const scores = all.flatMap(({ score }) => (score === null ? [] : [score]));
  const domain = scores.length > 0 ? [smallestOf(scores), largestOf(scores)] : [0, 1];
  const chosen = all.filter(({ chosen }) => chosen !== null);
  const summary = describeSet(set);

  const at = {
    ...{ x1: ({ head }: PlottedHead) => head - 0.5, x2: ({ head }: PlottedHead) => head + 0.5 },
    ...{ y1: ({ layer }: PlottedHead) => layer - 0.5, y2: ({ layer }: PlottedHead) => layer + 0.5 },
  };
  const cells = {
    ...{ ...at, inset: 0.5, className: "head" },
    title: (head: PlottedHead) => describeHead(head, all.length),
  };
  const outline = { ...at, fill: "none", pointerEvents: "none" } as const;
  const line = size >= 14 ? 3 : 2;
  const below = MARGIN.top + layers * size + 52;
  const legend = scores.length > 0 ? ramp(domain as [number, number], below) : { marks: [], right: MARGIN.left - 40 };
  const heading = (words: string, lift: number, more: object) =>
    text([words], {
      ...({ frameAnchor: "top-left", textAnchor: "start", lineAnchor: "bottom", dy: -lift } as const),
      ...({ textOverflow: "ellipsis", ...more } as const),
    });
  const options: PlotOptions = {
    ...{ className: "qrhead-map", width, height, style: { fontSize: "12px" } },
    ...{ marginTop: MARGIN.top, marginBottom: MARGIN.bottom, marginLeft: MARGIN.left },
    marginRight: width - MARGIN.left - heads * size,
    x: { ...axis(heads, size), domain: [-0.5, heads - 0.5], label: "head", labelOffset: 36 },
    y: { ...axis(layers, size), domain: [layers - 0.5, -0.5], label: "layer", labelOffset: 48 },
    color: { type: "linear", scheme: "viridis", domain },
    marks: [
      heading(printable(name), 36, { fontSize: 15, fontWeight: 600, lineWidth: room / 15 }),
      heading(printable(summary), 16, { fill: "var(--soft)", lineWidth: room / 12 }),
      rect(
        all.filter(({ score }) => score === null),
        { ...cells, fill: "var(--none)" },
      ),
      rect(
        all.filter(({ score }) => score !== null),
        { ...cells, fill: "score" },
      ),
      rect(chosen, { ...outline, inset: 0.5 + line / 2, stroke: "var(--mark)", strokeWidth: line, className: "mark" }),
      rect(chosen, { ...outline, inset: 1 + line, stroke: "var(--paper)" }),
      ...legend.marks,
      ...key(legend.right + 40, below),
    ],
  };
  const description = `${summary}. Chosen: ${set.heads.map(headKey).join(", ")}`;
  return drawPicture(options, { title: printable(name), description: printable(description), style: STYLE });
}

/** Every head of the model with its score, its rank by score and its place in the set, both from 1. */
function plottedHeads(set: HeadSet & { model: HeadSetModel }): PlottedHead[] {
  const { model, scores, heads } = set;
  const chosen = new Map(heads.map((head, index) => [headKey(head), index + 1]));
  const all = Array.from({ length: model.layers * model.heads }, (_, index): PlottedHead => {
    const [layer, head]: Head = [Math.floor(index / model.heads), index % model.heads];
    const place = chosen.get(headKey([layer, head])) ?? null;
    return { layer, head, score: scores?.[layer]?.[head] ?? null, rank: null, chosen: place };
  });
  if (scores) {
    const order = [...all].sort((a, b) => b.score! - a.score!);
    for (const [index, plotted] of order.entries()) plotted.rank = index + 1;
  }
  return all;
}

/** "Layer 13, head 18: score 0.0123, rank 2 of 1024, number 2 of the set". */
function describeHead({ layer, head, score, rank, chosen }: PlottedHead, total: number): string {
  const parts = [
    score === null ? null : `score ${Number(score.toPrecision(4))}`,
    rank === null ? null : `rank ${rank} of ${total}`,
    chosen === null ? null : `number ${chosen} of the set`,
  ].filter((part) => part !== null);
  return `Layer ${layer}, head ${head}${parts.length > 0 ? `: ${parts.join(", ")}` : ""}`;
}

function describeSet({ model, heads, objective, source }: HeadSet & { model: HeadSetModel }): string {
  const count = source?.examples;
  const found = [objective, count === undefined ? null : counted(count, "example")];
  const origin = found.filter(Boolean).join(", ");
  const share = `${heads.length} of ${counted(model.layers * model.heads, "head")}`;
  return `${share} of ${model.name}${origin ? ` · ${origin}` : ""}${source ? ` · ${source.name}` : ""}`;
}

/** Numbers along an axis that do not touch. */
function axis(count: number, size: number) {
  const step = [1, 2, 5, 10, 20, 50].find((step) => step * size >= APART) ?? 100;
  const ticks = Array.from({ length: Math.ceil(count / step) }, (_, index) => index * step);
  return { ticks, tickFormat: "d", tickSize: 0, labelAnchor: "center", labelArrow: "none" } as const;
}

/** Places in pixels, whatever the scales of the axes. */
const inPixels = {
  x1: { value: "x1", scale: null },
  x2: { value: "x2", scale: null },
  y1: { value: "y1", scale: null },
  y2: { value: "y2", scale: null },
} as const;

function words(said: string, x: number, y: number, more: object = {}) {
  const place = { x: { value: [x], scale: null }, y: { value: [y], scale: null } } as const;
  return text([said], { ...place, textAnchor: "start", ...more });
}

/** The colours of the scores, with the lowest and the highest. */
function ramp([low, high]: [number, number], top: number) {
  const left = MARGIN.left;
  const step = RAMP.width / RAMP.steps;
  const steps = Array.from({ length: RAMP.steps }, (_, index): Pixels & { score: number } => ({
    ...{ x1: left + index * step, x2: left + (index + 1) * step, y1: top, y2: top + RAMP.height },
    score: low + ((high - low) * index) / (RAMP.steps - 1),
  }));
  const number = (value: number) => String(Number(value.toPrecision(3)));
  const under = { fill: "var(--soft)", lineAnchor: "top" };
  return {
    right: left + RAMP.width + 40,
    marks: [
      rect(steps, { ...inPixels, fill: "score", shapeRendering: "crispEdges" }),
      words(number(low), left, top + RAMP.height + 5, under),
      words(number(high), left + RAMP.width, top + RAMP.height + 5, { ...under, textAnchor: "end" }),
      words("score", left + RAMP.width + 8, top + RAMP.height / 2),
    ],
  };
}

/** Says what the outline means. */
function key(left: number, top: number) {
  const box: Pixels = { x1: left, x2: left + 13, y1: top - 2, y2: top + 11 };
  const outline = { fill: "none", stroke: "var(--mark)", strokeWidth: 3 };
  return [rect([box], { ...inPixels, ...outline }), words("in the set", left + 22, top + 5)];
}
