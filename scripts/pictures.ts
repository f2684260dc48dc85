// What the pictures of README and docs share: pixels as units, the colours of light and dark pages, and where they go.
import { writeFileSync } from "node:fs";
import { type Markish, type PlotOptions, text } from "@observablehq/plot";
import { drawPicture } from "../src/util/plotting.ts";

const FONT = 'ui-sans-serif,system-ui,-apple-system,"Segoe UI",sans-serif';
export const SCHEMES = {
  light: {
    ...{ back: "#ffffff", ink: "#1b1f24", dim: "#59636e", rule: "#d8dce2", line: "#8b949e", box: "#f6f8fa" },
    ...{ heat: "#eb7800", heatBack: "#fff1e0" },
  },
  dark: {
    ...{ back: "#0d1117", ink: "#e6e8eb", dim: "#9198a1", rule: "#30363d", line: "#6e7681", box: "#202328" },
    ...{ heat: "#ff9628", heatBack: "#3a2a17" },
  },
};
export type Scheme = (typeof SCHEMES)["light"];

export type Words = { x: number; y: number; words: string };

/** Words with their middle at a height. */
export function write(words: readonly Words[], more: object = {}): Markish {
  return text(words, { ...{ x: "x", y: "y", text: "words", fontSize: 14, textAnchor: "start" }, ...more } as object);
}

type Size = { width: number; height: number; title: string };

/** Writes a picture for light and for dark pages to docs/public. Marks are placed in pixels from the upper left corner. */
export function writePicture(name: string, { width, height, title }: Size, marks: (scheme: Scheme) => Markish[]): void {
  for (const [variant, scheme] of Object.entries(SCHEMES)) {
    const options: PlotOptions = {
      ...{ width, height, margin: 0, axis: null, marks: marks(scheme) },
      ...{ x: { type: "linear", domain: [0, width] }, y: { type: "linear", domain: [height, 0] } },
      style: { fontFamily: FONT, color: scheme.ink, background: "none" },
    };
    const file = new URL(`../docs/public/${name}-${variant}.svg`, import.meta.url);
    writeFileSync(file, drawPicture(options, { title, style: "" }));
  }
}
