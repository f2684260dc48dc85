import { InputError, invalidArgument } from "../errors.ts";
import { counted } from "../util/counted.ts";
import { assertHeadSet } from "./given-set.ts";
import type { HeadSet } from "./head-set.ts";

/**
 * The set with its best `top` heads only. Scores of all heads and held-out quality by number of heads stay; what holds for
 * the whole choice (`stability`, `fit`, `calibration`) goes.
 *
 * @param name What messages call the set.
 * @throws InputError `INVALID_ARGUMENT` for what is no head set or no number of heads, `INVALID_INPUT` for a set with fewer heads.
 * @example
 * const best = trimHeadSet(parseHeadSet("13-18,13-21", "mine"), 1, "mine");
 */
export function trimHeadSet(set: HeadSet, top: number, name: string): HeadSet {
  assertHeadSet(set);
  if (!(Number.isInteger(top) && top >= 1)) throw invalidArgument("top", "an integer of at least 1", top);
  if (top > set.heads.length) {
    throw new InputError(
      "INVALID_INPUT",
      `${name} has ${counted(set.heads.length, "head")}, fewer than the ${top} requested`,
      {
        advice: "choose fewer, or find more with `qrhead detect`",
      },
    );
  }
  const { stability: _stability, fit: _fit, calibration: _calibration, weights, ...rest } = set;
  const kept = weights?.slice(0, top);
  return { ...rest, heads: set.heads.slice(0, top), ...(kept?.some((weight) => weight > 0) && { weights: kept }) };
}
