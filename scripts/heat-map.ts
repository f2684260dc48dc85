// Draws the picture of the README: the tokens of a few documents, shaded by the attention that a question pays to them through
// a released model's retrieval heads. `npm run picture` writes docs/public/heat-map-light.svg and -dark.svg, and both again as
// heat-map-narrow for half a screen and for phones. It needs SmolLM2 (`npm run models:real -- smollm2`).
import { writeFileSync } from "node:fs";
import path from "node:path";
import { DEMO_DOCUMENTS } from "../src/cli/demo-data.ts";
import { QRRetriever } from "../src/index.ts";

const root = path.resolve(import.meta.dirname ?? ".", "..");
const QUESTION = "Why do leaves change colour in autumn?";
const SHOWN = ["bees", "leaves", "tides"];
const SCHEMES = {
  light: { back: "#ffffff", ink: "#1b1f24", dim: "#59636e", line: "#d8dce2", heat: "235,120,0" },
  dark: { back: "#0d1117", ink: "#e6e8eb", dim: "#9198a1", line: "#30363d", heat: "255,150,40" },
};
const [SIZE, LINE] = [15, 25];
/** Width of a character of a monospaced font, of its size. */
const ADVANCE = 0.6 * SIZE;
/** Pixels: the picture's width, its margin, where the text begins, and how far below a document's line. */
const SHAPES = {
  "heat-map": { width: 880, margin: 24, left: 190, down: 11 },
  "heat-map-narrow": { width: 500, margin: 20, left: 20, down: 40 },
};
type Shape = (typeof SHAPES)["heat-map"];

type Cell = { text: string; value: number };

const escapeXml = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

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

function draw(
  { back, ink, dim, line, heat }: (typeof SCHEMES)["light"],
  documents: readonly { title: string; score: number; cells: Cell[] }[],
  model: string,
  { width: WIDTH, margin, left, down }: Shape,
): string {
  const narrow = left === margin;
  const most = Math.max(...documents.flatMap(({ cells }) => cells.map(({ value }) => value)));
  const best = Math.max(...documents.map(({ score }) => score));
  const parts: string[] = [];
  const write = (x: number, y: number, text: string, more = "") =>
    parts.push(`<text x="${x}" y="${y}" xml:space="preserve" ${more}>${escapeXml(text)}</text>`);
  write(margin, 38, QUESTION, `font-size="19" font-weight="600"`);
  let y = 66;
  for (const { title, score, cells } of documents) {
    parts.push(`<path d="M${margin} ${y}H${WIDTH - margin}" stroke="${line}"/>`);
    write(margin, y + 27, title, `font-weight="600"`);
    const [x, scoreAt, barAt] = narrow ? [WIDTH - margin - 140, y + 27, y + 18] : [margin, y + 48, y + 57];
    write(narrow ? x - 56 : x, scoreAt, score.toFixed(3), `fill="${dim}"`);
    parts.push(
      `<rect x="${x}" y="${barAt}" width="${Math.max(2, (140 * score) / best).toFixed(0)}" height="6" rx="2" fill="rgb(${heat})"/>`,
    );
    const lines = wrap(cells, Math.floor((WIDTH - left - margin) / ADVANCE));
    for (const [row, one] of lines.entries()) {
      let column = 0;
      for (const { text, value } of one) {
        const share = Math.max(0, value / most) ** 0.6;
        const at = (left + column * ADVANCE).toFixed(1);
        const width = (text.length * ADVANCE).toFixed(1);
        const top = y + down + row * LINE;
        if (share > 0.08)
          parts.push(
            `<rect x="${at}" y="${top}" width="${width}" height="22" rx="2" fill="rgba(${heat},${(share * 0.85).toFixed(2)})"/>`,
          );
        write(Number(at), top + 16, text, `class="t" textLength="${width}"`);
        column += text.length;
      }
    }
    y += Math.max(down + lines.length * LINE + 11, 78);
  }
  const how = narrow ? "its retrieval heads, less the null query" : "sum of its retrieval heads, less the null query";
  write(margin, y + 12, `${model}, ${how}`, `fill="${dim}" font-size="13"`);
  const style = `text{font:${SIZE}px ui-sans-serif,system-ui,-apple-system,"Segoe UI",sans-serif;fill:${ink}}.t{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}`;
  // Attributes give way to a style sheet, so sizes and fills are set as styles.
  const body = parts
    .join("\n")
    .replaceAll(/(fill="[^"]*" )?font-size="(\d+)"( font-weight="600")?/g, (_, fill = "", size, weight = "") => {
      const color = /fill="([^"]*)"/.exec(fill)?.[1];
      return `style="font-size:${size}px${weight ? ";font-weight:600" : ""}${color ? `;fill:${color}` : ""}"`;
    })
    .replaceAll('preserve" font-weight="600"', 'preserve" style="font-weight:600"')
    .replaceAll(`preserve" fill="${dim}"`, `preserve" style="fill:${dim}"`);
  const height = y + 30;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Three documents. The question's attention lies on the one that answers it.">
<style>${style}</style>
<rect width="${WIDTH}" height="${height}" rx="8" fill="${back}"/>
${body}
</svg>
`;
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
  for (const [name, scheme] of Object.entries(SCHEMES))
    for (const [picture, shape] of Object.entries(SHAPES))
      writeFileSync(
        path.join(root, "docs", "public", `${picture}-${name}.svg`),
        draw(scheme, shown, "SmolLM2-135M-Instruct", shape),
      );
  console.log(shown.map(({ title, score }) => `${title} ${score.toFixed(3)}`).join(", "));
} finally {
  await retriever.dispose();
}
