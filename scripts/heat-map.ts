// Draws the picture of the README: the tokens of a few documents, shaded by the attention that a question pays to them through
// a released model's retrieval heads. `npm run picture` writes docs/public/heat-map-light.svg and -dark.svg. It needs SmolLM2
// (`npm run models:real -- smollm2`).
import path from "node:path";
import { frame, rect, ruleY } from "@observablehq/plot";
import { DEMO_DOCUMENTS } from "../src/cli/demo-data.ts";
import { QRRetriever } from "../src/index.ts";
import { write, writePicture } from "./pictures.ts";

const root = path.resolve(import.meta.dirname ?? ".", "..");
const QUESTION = "Why do leaves change colour in autumn?";
const SHOWN = ["bees", "leaves", "tides"];
const [WIDTH, LEFT, SIZE, LINE] = [880, 190, 15, 25];
/** Width of a character of a monospaced font, of its size. */
const ADVANCE = 0.6 * SIZE;
const COLUMNS = Math.floor((WIDTH - LEFT - 24) / ADVANCE);

type Cell = { text: string; value: number };
type Shown = { title: string; score: number; cells: Cell[] };

/** Tokens in lines, broken before words. */
function wrap(cells: readonly Cell[]): Cell[][] {
  const lines: Cell[][] = [[]];
  let length = 0;
  for (const [index, cell] of cells.entries()) {
    const word = cells.slice(index + 1).findIndex(({ text }) => /^\s/.test(text));
    const rest = cells.slice(index, word === -1 ? undefined : index + 1 + word);
    const needed = rest.reduce((sum, { text }) => sum + text.length, 0);
    if (/^\s/.test(cell.text) && length + needed > COLUMNS) {
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
function layOut(documents: readonly Shown[]) {
  const most = Math.max(...documents.flatMap(({ cells }) => cells.map(({ value }) => value)));
  const best = Math.max(...documents.map(({ score }) => score));
  let y = 66;
  const rows = documents.map(({ title, score, cells }) => {
    const top = y;
    const lines = wrap(cells);
    y += Math.max(lines.length * LINE + 22, 78);
    const tokens = lines.flatMap((line, row) => {
      let column = 0;
      return line.map(({ text, value }) => {
        const x = LEFT + column * ADVANCE;
        column += text.length;
        const share = Math.max(0, value / most) ** 0.6;
        return { x, x2: x + text.length * ADVANCE, y: top + 22 + row * LINE, words: text, share };
      });
    });
    return { y: top, title, score, bar: Math.max(2, (140 * score) / best), tokens };
  });
  return { rows, height: y + 30 };
}

function draw(documents: readonly Shown[], model: string): void {
  const { rows, height } = layOut(documents);
  const tokens = rows.flatMap(({ tokens }) => tokens);
  const at = <T extends { y: number }>(down: number, words: (row: T) => string) => ({
    ...{ x: 24, y: (row: T) => row.y + down, text: words },
  });
  const title = "Three documents. The question's attention lies on the one that answers it.";
  writePicture("heat-map", { width: WIDTH, height, title }, ({ back, rule, dim, heat }) => [
    frame({ fill: back, rx: 8 }),
    write([{ x: 24, y: 32, words: QUESTION }], { fontSize: 19, fontWeight: 600 }),
    ruleY(rows, { y: "y", x1: 24, x2: WIDTH - 24, stroke: rule }),
    write(rows as never, { ...at(22, ({ title }: (typeof rows)[0]) => title), fontSize: SIZE, fontWeight: 600 }),
    write(rows as never, { ...at(43, ({ score }: (typeof rows)[0]) => score.toFixed(3)), fontSize: SIZE, fill: dim }),
    rect(rows, {
      x1: 24,
      x2: (row) => 24 + row.bar,
      y1: (row) => row.y + 57,
      y2: (row) => row.y + 63,
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
    write([{ x: 24, y: height - 22, words: `${model}, sum of its retrieval heads, less the null query` }], {
      ...{ fontSize: 13, fill: dim },
    }),
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
  draw(shown, "SmolLM2-135M-Instruct");
  console.log(shown.map(({ title, score }) => `${title} ${score.toFixed(3)}`).join(", "));
} finally {
  await retriever.dispose();
}
