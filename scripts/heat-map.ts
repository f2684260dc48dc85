// Draws the picture of the README: the tokens of a few documents, shaded by the attention that a question pays to them through
// a released model's retrieval heads. `npm run picture` writes docs/public/heat-map-light.svg and -dark.svg, and both again as
// heat-map-narrow for half a screen and for phones. It needs SmolLM2 (`npm run models:real -- smollm2`).
import path from "node:path";
import { frame, rect, ruleY } from "@observablehq/plot";
import { DEMO_DOCUMENTS } from "../src/cli/demo-data.ts";
import { QRRetriever } from "../src/index.ts";
import { write, writePicture } from "./pictures.ts";

const root = path.resolve(import.meta.dirname ?? ".", "..");
const QUESTION = "Why do leaves change colour in autumn?";
const SHOWN = ["bees", "leaves", "tides"];
const [SIZE, LINE, BAR] = [15, 25, 140];
/** Width of a character of a monospaced font, of its size. */
const ADVANCE = 0.6 * SIZE;
/** Pixels: the picture's width, its margin, where the text begins, and how far below a document's line. */
const SHAPES = {
  "heat-map": { width: 880, margin: 24, left: 190, down: 11 },
  "heat-map-narrow": { width: 500, margin: 20, left: 20, down: 40 },
};
type Shape = (typeof SHAPES)["heat-map"];

type Cell = { text: string; value: number };
type Shown = { title: string; score: number; cells: Cell[] };

/** Tokens in lines, broken before words. */
function wrap(cells: readonly Cell[], columns: number): Cell[][] {
  const lines: Cell[][] = [[]];
  let length = 0;
  for (const [index, cell] of cells.entries()) {
    const word = cells.slice(index + 1).findIndex(({ text }) => /^\s/.test(text));
    const rest = cells.slice(index, word === -1 ? undefined : index + 1 + word);
    const needed = rest.reduce((sum, { text }) => sum + text.length, 0);
    if (/^\s/.test(cell.text) && length + needed > columns) {
      lines.push([]);
      length = 0;
    }
    const text = length === 0 ? cell.text.trimStart() : cell.text;
    lines.at(-1)!.push({ ...cell, text });
    length += text.length;
  }
  return lines;
}

/** What the picture shows, in pixels. */
function layOut(documents: readonly Shown[], { width, margin, left, down }: Shape) {
  const most = Math.max(...documents.flatMap(({ cells }) => cells.map(({ value }) => value)));
  const best = Math.max(...documents.map(({ score }) => score));
  let y = 66;
  const rows = documents.map(({ title, score, cells }) => {
    const top = y;
    const lines = wrap(cells, Math.floor((width - left - margin) / ADVANCE));
    y += Math.max(down + lines.length * LINE + 11, 78);
    const tokens = lines.flatMap((line, row) => {
      let column = 0;
      return line.map(({ text, value }) => {
        const x = left + column * ADVANCE;
        column += text.length;
        const share = Math.max(0, value / most) ** 0.6;
        return { x, x2: x + text.length * ADVANCE, y: top + down + 11 + row * LINE, words: text, share };
      });
    });
    return { y: top, title, score: score.toFixed(3), bar: Math.max(2, (BAR * score) / best), tokens };
  });
  return { rows, height: y + 30 };
}

function draw(documents: readonly Shown[], model: string, name: string, shape: Shape): void {
  const { width, margin, left } = shape;
  const isNarrow = left === margin;
  const { rows, height } = layOut(documents, shape);
  const tokens = rows.flatMap(({ tokens }) => tokens);
  // Below the title, or on its line where the text begins below.
  const [x, scoreX, scoreY, barY] = isNarrow
    ? [width - margin - BAR, width - margin - BAR - 56, 22, 18]
    : [margin, margin, 43, 57];
  const titles = rows.map(({ y, title }) => ({ x: margin, y: y + 22, words: title }));
  const scores = rows.map(({ y, score }) => ({ x: scoreX, y: y + scoreY, words: score }));
  const sum = `${model}, ${isNarrow ? "" : "sum of "}its retrieval heads, less the null query`;
  const title = "Three documents. The question's attention lies on the one that answers it.";
  writePicture(name, { width, height, title }, ({ back, rule, dim, heat }) => [
    frame({ fill: back, rx: 8 }),
    write([{ x: margin, y: 32, words: QUESTION }], { fontSize: 19, fontWeight: 600 }),
    ruleY(rows, { y: "y", x1: margin, x2: width - margin, stroke: rule }),
    write(titles, { fontSize: SIZE, fontWeight: 600 }),
    write(scores, { fontSize: SIZE, fill: dim }),
    rect(rows, {
      x1: x,
      x2: ({ bar }) => x + bar,
      y1: ({ y }) => y + barY,
      y2: ({ y }) => y + barY + 6,
      r: 2,
      fill: heat,
    }),
    rect(
      tokens.filter(({ share }) => share > 0.08),
      {
        ...{ x1: "x", x2: "x2", y1: ({ y }) => y - 11, y2: ({ y }) => y + 11, r: 2 },
        ...{ fill: heat, fillOpacity: ({ share }) => share * 0.85 },
      },
    ),
    write(tokens, { fontSize: SIZE, monospace: true }),
    write([{ x: margin, y: height - 22, words: sum }], { fontSize: 13, fill: dim }),
  ]);
}

const model = path.join(root, ".cache", "real", "SmolLM2-135M-Instruct.Q4_1.gguf");
const retriever = await QRRetriever.load({ model, gpu: false, threads: 1 });
try {
  const chosen = SHOWN.map((id) => DEMO_DOCUMENTS.find((one) => one.id === id)!);
  const { documents, heads } = await retriever.inspect(QUESTION, chosen);
  const shown = documents.map(({ id, score, tokens }, index) => {
    const { title } = chosen.find((one) => one.id === id)!;
    // The prompt's `[1] title`, and a line break, stand before the text.
    const cells = tokens.map((text, token) => ({ text, value: heads[0]!.calibrated[index]![token]! }));
    const first = cells.findIndex(({ text }) => text.includes("\n"));
    return { title: title ?? id, score, cells: cells.slice(first + 1) };
  });
  shown.sort((a, b) => b.score - a.score);
  for (const [name, shape] of Object.entries(SHAPES)) draw(shown, "SmolLM2-135M-Instruct", name, shape);
  console.log(shown.map(({ title, score }) => `${title} ${score.toFixed(3)}`).join(", "));
} finally {
  await retriever.dispose();
}
