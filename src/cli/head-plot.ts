import type { HeadSet } from "../heads/head-set.ts";
import { plotHeadSet } from "../heads/plot.ts";
import { plotPage } from "../heads/plot-page.ts";
import { ofModel } from "./find-set.ts";

/**
 * The picture of a set for a file of this name.
 *
 * @throws InputError `INVALID_INPUT` for a set that does not say how many layers and heads its model has.
 */
export async function formatPlot(set: HeadSet, name: string, file: string): Promise<string> {
  const plotted = ofModel({ name, set });
  return /\.svg$/i.test(file) ? await plotHeadSet(plotted, name) : await plotPage(plotted, name);
}
