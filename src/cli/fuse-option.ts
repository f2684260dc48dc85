import type { Option } from "commander";
import { RANKING } from "../options/ranking.ts";
import { DEFAULT_FUSE, type FusionOptions } from "../ranking/fusion.ts";
import { wrongOption } from "./failure.ts";
import { flagExpected, flagOption } from "./flags.ts";

export type FuseFlags = { fuse?: FusionOptions };

/** Its words name the values: the library's `"rrf"` is `bm25:rrf` here. */
const { choices: _, ...FUSE } = RANKING.fuse;

/** `--fuse bm25[:WEIGHT]`: BM25's scores of the documents join those of the heads; `none`: they do not. */
export function fuseOption(): Option {
  return flagOption(FUSE).argParser((text): FusionOptions => {
    const [, share] = /^bm25(?::(.+))?$/.exec(text) ?? [];
    if (text === "none") return { fuse: "none" };
    if (text === "bm25") return { prior: "bm25", fuse: DEFAULT_FUSE };
    if (share === "rrf") return { prior: "bm25", fuse: "rrf" };
    const weight = /^\d*\.?\d+$/.test(share ?? "") ? Number(share) : Number.NaN;
    if (!(weight <= 1)) throw wrongOption("--fuse", flagExpected(RANKING.fuse), text);
    return { prior: "bm25", fuse: { weight } };
  });
}

/** The method that `--fuse` adds beside one that ranks by heads, as a specification of `qrhead eval`. */
export function fusedMethod(name: string, { fuse }: FusionOptions): string | undefined {
  if (fuse === undefined || fuse === "none") return undefined;
  return fuse === "rrf" ? `rrf(bm25,${name})` : `z:${fuse.weight}(${name},bm25)`;
}
