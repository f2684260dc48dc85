// Draws the pictures of docs/how-it-works.md for light and dark pages: `npm run picture` writes them to docs/public.
import { writeFileSync } from "node:fs";

const SCHEMES = {
  light: { ink: "#1b1f24", dim: "#59636e", line: "#8b949e", box: "#f6f8fa", heat: "#eb7800", heatBack: "#fff1e0" },
  dark: { ink: "#e6e8eb", dim: "#9198a1", line: "#6e7681", box: "#202328", heat: "#ff9628", heatBack: "#3a2a17" },
};

function canvas({ ink, dim, line, box, heat, heatBack }, width, height, label) {
  const parts = [];
  const text = (x, y, words, { color = ink, size = 14, anchor = "middle", weight = 400 } = {}) =>
    parts.push(
      `<text x="${x}" y="${y}" fill="${color}" font-size="${size}" text-anchor="${anchor}" font-weight="${weight}">${words}</text>`,
    );
  const rect = (x, y, w, h, hot = false) =>
    parts.push(
      `<rect x="${x}" y="${y}" width="${w}" height="${h}" rx="6" fill="${hot ? heatBack : box}" stroke="${hot ? heat : line}"/>`,
    );
  const arrow = (d, hot = false) =>
    parts.push(
      `<path d="${d}" fill="none" stroke="${hot ? heat : line}" stroke-width="1.5" marker-end="url(#${hot ? "hot" : "cold"})"/>`,
    );
  const marker = (id, color) =>
    `<marker id="${id}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="${color}"/></marker>`;
  const end = () =>
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${label}" font-family="ui-sans-serif,system-ui,-apple-system,'Segoe UI',sans-serif">
<defs>${marker("cold", line)}${marker("hot", heat)}</defs>
${parts.join("\n")}
</svg>
`;
  return { text, rect, arrow, end, dim, heat };
}

function trunk(scheme) {
  const { text, rect, arrow, end, dim, heat } = canvas(
    scheme,
    760,
    256,
    "A trunk of documents in the KV cache, and branches behind it",
  );
  text(24, 24, "Trunk: computed once, stays in the KV cache", { anchor: "start", color: dim, size: 13 });
  for (const [index, name] of ["instruction", "[1] document", "[2] document", "[3] document"].entries()) {
    rect(24 + index * 112, 84, 104, 48);
    text(76 + index * 112, 113, name, { size: 13 });
  }
  text(736, 24, "Branches: one pass, then forgotten", { anchor: "end", color: dim, size: 13 });
  for (const [index, [name, hot]] of [
    ["query", true],
    ["null query “N/A”", false],
    ["next query", true],
  ].entries()) {
    const y = 44 + index * 60;
    rect(552, y, 184, 40, hot);
    text(644, y + 25, name);
    arrow(`M464 108C508 108 508 ${y + 20} 548 ${y + 20}`, hot);
  }
  text(24, 242, "score = attention of the query on a document − attention of the null query", {
    anchor: "start",
    color: heat,
    weight: 600,
  });
  return end();
}

function capture(scheme) {
  const { text, rect, arrow, end, dim, heat } = canvas(
    scheme,
    760,
    300,
    "Attention is captured at flash-attention nodes, and the pass ends after the deepest wanted layer",
  );
  text(120, 22, "llama.cpp", { color: dim, size: 13 });
  const layers = [
    ["layer 1", false],
    ["layer 2: a wanted head", true],
    ["layer 3", false],
    ["layer 4: the deepest", true],
    ["layers above: not computed", undefined],
  ];
  for (const [index, [name, hot]] of layers.entries()) {
    const y = 34 + index * 50;
    if (hot !== undefined) rect(24, y, 192, 36, hot);
    text(120, y + 23, name, { size: 13, color: hot === undefined ? dim : undefined });
    if (index < 3) arrow(`M120 ${y + 36}V${y + 48}`);
    if (hot) arrow(`M216 ${y + 18}H286`, true);
    if (hot) text(251, y + 10, "Q, K, mask", { size: 11, color: dim });
  }
  text(398, 22, "engine, on the same device", { color: dim, size: 13 });
  for (const y of [84, 184]) {
    rect(290, y, 216, 36);
    text(398, y + 23, "softmax(QKᵀ), wanted heads", { size: 13 });
    arrow(`M506 ${y + 18}C540 ${y + 18} 540 152 572 152`, true);
  }
  rect(576, 132, 160, 40, true);
  text(656, 157, "sums per token", { size: 13 });
  text(656, 196, "all that leaves the device", { size: 12, color: dim });
  text(24, 290, "the pass ends here: 0.57 to 0.63 of plain decoding", {
    anchor: "start",
    color: heat,
    weight: 600,
    size: 13,
  });
  return end();
}

for (const [name, scheme] of Object.entries(SCHEMES)) {
  for (const [picture, draw] of Object.entries({ trunk, capture }))
    writeFileSync(new URL(`../docs/public/${picture}-${name}.svg`, import.meta.url), draw(scheme));
}
