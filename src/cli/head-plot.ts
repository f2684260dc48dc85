import { Option } from "commander";
import type { HeadSet } from "../heads/head-set.ts";
import { plotHeadSet } from "../heads/plot.ts";
import { plotPage } from "../heads/plot-page.ts";
import { wrongOption } from "./failure.ts";
import { ofModel } from "./find-set.ts";

const ENDING = /\.(html|svg)$/i;

/** An option whose value is the path of a picture; its ending says which kind. */
export function plotOption(flags: string, description: string): Option {
  const flag = flags.split(/[ ,]/).find((part) => part.startsWith("--")) ?? flags;
  return new Option(flags, description).argParser((text) => {
    if (!ENDING.test(text)) throw wrongOption(flag, "a path that ends in .html or .svg", text);
    return text;
  });
}

/**
 * The picture of a set for a file of this name.
 *
 * @throws InputError `INVALID_INPUT` for a set that does not say how many layers and heads its model has.
 */
export function formatPlot(set: HeadSet, name: string, file: string): string {
  const plotted = ofModel({ name, set });
  return /\.svg$/i.test(file) ? plotHeadSet(plotted, name) : plotPage(plotted, name);
}
