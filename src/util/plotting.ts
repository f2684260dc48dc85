// Observable Plot and a document for it to draw into. They are large: import this file from files that are loaded when
// something is drawn.
import { type PlotOptions, plot } from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { UNPRINTABLE } from "./unprintable.ts";

const { document } = parseHTML("<!doctype html><html><body></body></html>");

/** A plot as HTML: an SVG or, with a legend, a figure. */
export function drawPlot(options: PlotOptions): string {
  return plot({ ...options, document } as PlotOptions).outerHTML;
}

/** What a picture says to those who do not see it, and its colours by name: `var(--ink)` in a mark is one of these. */
type Picture = { title: string; description?: string; style: string };

/** A plot as one SVG, which a page can hold and which is a file of its own. */
export function drawPicture(options: PlotOptions, { title, description, style }: Picture): string {
  const svg = plot({ ...options, document } as PlotOptions);
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("role", "img");
  svg.prepend(
    ...Object.entries({ title, desc: description, style }).flatMap(([name, text]) => {
      if (!text) return [];
      const element = document.createElementNS("http://www.w3.org/2000/svg", name);
      element.textContent = text;
      return [element];
    }),
  );
  return `${svg.outerHTML}\n`;
}

/** Text of others on one line, as XML may hold it. */
export function printable(text: string): string {
  return text.replace(/[\t\n\r]/g, " ").replace(UNPRINTABLE, "");
}
