import type { Option } from "commander";
import { InputError } from "../errors.ts";
import { RANKING } from "../options/ranking.ts";
import type { OptionSpec } from "../options/spec.ts";
import { DEFAULT_FUSE, type FusionOptions } from "../ranking/fusion.ts";
import { wrongOption } from "./failure.ts";
import { flagExpected, flagOption } from "./flags.ts";

export type FuseFlags = { fuse?: FusionOptions };

/** Its words name the values: the library's `"rrf"` is `bm25:rrf` here. */
const { choices: _, ...FUSE } = RANKING.fuse;

/** Where documents may bring scores of their own. */
const WITH_PRIOR = {
  flagSays: "add a first stage's scores to the heads': none, bm25, or prior, which the documents bring; :rrf, :WEIGHT",
  flagExpected: "none, bm25, prior, or one of these two with :rrf or :WEIGHT, the heads' weight from 0 to 1",
  shortDefault: "prior where documents have it, the head set's, else none",
};

/**
 * `--fuse bm25[:WEIGHT]`: BM25's scores of the documents join those of the heads; `none`: they do not.
 *
 * @param words `prior`: it may also say `prior[:WEIGHT]`. The scores of the documents then join, and `prior` is left out here.
 */
export function fuseOption(words?: "prior"): Option {
  const option = words === undefined ? FUSE : { ...FUSE, ...WITH_PRIOR };
  return flagOption(option).argParser((text): FusionOptions => {
    const [, stage, share] = /^(bm25|prior)(?::(.+))?$/.exec(text) ?? [];
    const prior = stage === "bm25" && { prior: "bm25" as const };
    if (text === "none") return { fuse: "none" };
    if (stage === "bm25" || words !== undefined) {
      if (text === stage) return { ...prior, fuse: DEFAULT_FUSE };
      if (share === "rrf") return { ...prior, fuse: "rrf" };
      const weight = /^\d*\.?\d+$/.test(share ?? "") ? Number(share) : Number.NaN;
      if (weight <= 1) return { ...prior, fuse: { weight } };
    }
    throw wrongOption("--fuse", flagExpected(option as OptionSpec), text);
  });
}

/**
 * What one call fuses: the documents' own scores, unless `--fuse` names BM25 or nothing.
 *
 * @throws InputError `INVALID_ARGUMENT` where `--fuse` wants scores that the documents do not have.
 */
export function fusionWith(given: FusionOptions, prior: readonly number[] | undefined): FusionOptions {
  if (!takesPrior(given)) return given;
  if (prior) return { ...given, prior };
  if (given.fuse === undefined) return given;
  throw new InputError("INVALID_ARGUMENT", 'Expected documents with a "prior" for --fuse prior but received none');
}

/** Whether documents' own scores are wanted. */
export function takesPrior({ prior, fuse }: FusionOptions): boolean {
  return prior === undefined && fuse !== "none";
}

/** The method that `--fuse` adds beside one that ranks by heads, as a specification of `qrhead eval`. */
export function fusedMethod(name: string, { fuse }: FusionOptions): string | undefined {
  if (fuse === undefined || fuse === "none") return undefined;
  return fuse === "rrf" ? `rrf(bm25,${name})` : `z:${fuse.weight}(${name},bm25)`;
}
