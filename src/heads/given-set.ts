import { invalidArgument } from "../errors.ts";
import { isList, isObject } from "../util/kinds.ts";
import type { HeadSet, HeadSetModel } from "./head-set.ts";

/** @throws InputError `INVALID_ARGUMENT` for what is no head set: `parseHeadSet` and detection make them. */
export function assertHeadSet(set: HeadSet, name = "set"): void {
  if (!isObject(set) || !isList(set.heads)) throw invalidArgument(name, "a head set", set);
  for (const layout of ["listwise", "independent"] as const) {
    const curve = set.calibration?.[layout];
    if (curve === undefined) continue;
    const { a, b, words = 0 } = curve;
    const isCurve = Number.isFinite(a) && Number.isFinite(b) && b > 0 && Number.isFinite(words) && words >= 0;
    const expected = "finite numbers, b above 0 and words of at least 0";
    if (!isCurve) throw invalidArgument(`${name}.calibration.${layout}`, expected, curve);
  }
}

/** The same for one that must say how many layers and heads its model has. */
export function assertSetOfModel(set: HeadSet & { model: HeadSetModel }): void {
  if (!isObject(set) || !isList(set.heads) || !isObject(set.model))
    throw invalidArgument("set", "a head set with a model", set);
}
