// Draws the pictures of docs/how-it-works.md: `npm run picture` writes them to docs/public.
import { link, rect } from "@observablehq/plot";
import { type Scheme, type Words, write, writePicture } from "./pictures.ts";

type Box = { x1: number; y1: number; x2: number; y2: number; words: string; hot?: boolean };
type Arrow = { x1: number; y1: number; x2: number; y2: number; hot?: boolean };

const box = (x1: number, y1: number, width: number, height: number, words: string, hot = false): Box => ({
  ...{ x1, y1, x2: x1 + width, y2: y1 + height, words, hot },
});

function boxes(all: readonly Box[], { line, heat, heatBack, box }: Scheme) {
  const middles = all.map(({ x1, x2, y1, y2, words }): Words => ({ x: (x1 + x2) / 2, y: (y1 + y2) / 2, words }));
  return [
    rect(all, {
      ...{ x1: "x1", y1: "y1", x2: "x2", y2: "y2", r: 6 },
      fill: ({ hot }: Box) => (hot ? heatBack : box),
      stroke: ({ hot }: Box) => (hot ? heat : line),
    }),
    write(middles, { textAnchor: "middle", fontSize: 13 }),
  ];
}

const arrows = (all: readonly Arrow[], { line, heat }: Scheme, curve: "bump-x" | "linear") =>
  link(all, {
    ...{ x1: "x1", y1: "y1", x2: "x2", y2: "y2", curve, strokeWidth: 1.5, markerEnd: "arrow" },
    stroke: ({ hot }: Arrow) => (hot ? heat : line),
  });

const strong = ({ heat }: Scheme) => ({ fill: heat, fontWeight: 600 });
const quiet = ({ dim }: Scheme, more: object = {}) => ({ fill: dim, fontSize: 13, ...more });

const TRUNK = "A trunk of documents in the KV cache, and branches after it";
writePicture("trunk", { width: 760, height: 256, title: TRUNK }, (scheme) => {
  const trunk = ["instruction", "[1] document", "[2] document", "[3] document"];
  const branches = [
    { words: "query", hot: true },
    { words: "null query “N/A”", hot: false },
    { words: "next query", hot: true },
  ];
  return [
    write([{ x: 24, y: 20, words: "Trunk: computed once, stays in the KV cache" }], quiet(scheme)),
    write([{ x: 736, y: 20, words: "Branches: one pass, then forgotten" }], quiet(scheme, { textAnchor: "end" })),
    ...boxes(
      [
        ...trunk.map((words, index) => box(24 + index * 112, 84, 104, 48, words)),
        ...branches.map(({ words, hot }, index) => box(552, 44 + index * 60, 184, 40, words, hot)),
      ],
      scheme,
    ),
    arrows(
      branches.map(({ hot }, index) => ({ x1: 464, y1: 108, x2: 549, y2: 64 + index * 60, hot })),
      scheme,
      "bump-x",
    ),
    write(
      [{ x: 24, y: 238, words: "score = attention of the query on a document − attention of the null query" }],
      strong(scheme),
    ),
  ];
});

const CAPTURE = "Attention is captured at flash-attention nodes, and the pass ends after the deepest wanted layer";
writePicture("capture", { width: 760, height: 300, title: CAPTURE }, (scheme) => {
  const layers = [
    { words: "layer 1", hot: false },
    { words: "layer 2: a wanted head", hot: true },
    { words: "layer 3", hot: false },
    { words: "layer 4: the deepest", hot: true },
  ];
  const top = (index: number) => 34 + index * 50;
  const wanted = layers.flatMap(({ hot }, index) => (hot ? [top(index) + 18] : []));
  return [
    ...boxes(
      [
        ...layers.map(({ words, hot }, index) => box(24, top(index), 192, 36, words, hot)),
        ...wanted.map((y) => box(290, y - 18, 216, 36, "softmax(QKᵀ), wanted heads")),
        box(576, 132, 160, 40, "sums per token", true),
      ],
      scheme,
    ),
    write(
      [
        { x: 120, y: 18, words: "llama.cpp" },
        { x: 120, y: top(4) + 18, words: "layers above: not computed" },
        { x: 398, y: 18, words: "engine, on the same device" },
        { x: 656, y: 191, words: "all that leaves the device" },
      ],
      quiet(scheme, { textAnchor: "middle" }),
    ),
    write(
      wanted.map((y) => ({ x: 251, y: y - 12, words: "Q, K, mask" })),
      quiet(scheme, { textAnchor: "middle", fontSize: 11 }),
    ),
    arrows(
      [0, 1, 2].map((index) => ({ x1: 120, y1: top(index) + 36, x2: 120, y2: top(index + 1) - 2 })),
      scheme,
      "linear",
    ),
    arrows(
      wanted.map((y) => ({ x1: 216, y1: y, x2: 287, y2: y, hot: true })),
      scheme,
      "linear",
    ),
    arrows(
      wanted.map((y) => ({ x1: 506, y1: y, x2: 573, y2: 152, hot: true })),
      scheme,
      "bump-x",
    ),
    write([{ x: 24, y: 286, words: "the pass ends here: 0.57 to 0.63 of plain decoding" }], strong(scheme)),
  ];
});
