import type { PlotOptions } from "@observablehq/plot";
import { QRHeadError } from "../../errors.ts";

/** Draws a plot as the text of an SVG or, with a legend, of a figure. */
type Draw = (options: PlotOptions) => string;

export type Plotting = { Plot: typeof import("@observablehq/plot"); draw: Draw };

/**
 * Loads Observable Plot and a document for it to draw into. They are for reports alone, so that a package that only ranks
 * need not carry them.
 *
 * @throws QRHeadError `LIBRARY_NOT_FOUND` where they are not installed.
 */
export async function loadPlotting(): Promise<Plotting> {
  try {
    const [Plot, { parseHTML }] = await Promise.all([import("@observablehq/plot"), import("linkedom")]);
    const { document } = parseHTML("<!doctype html><html><body></body></html>");
    const draw: Draw = (options) => Plot.plot({ ...options, document } as PlotOptions).outerHTML;
    return { Plot, draw };
  } catch (error) {
    throw new QRHeadError(
      "LIBRARY_NOT_FOUND",
      "The page of plots needs two more packages: npm install @observablehq/plot linkedom",
      { cause: error },
    );
  }
}
