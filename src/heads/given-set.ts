import { invalidArgument } from "../errors.ts";
import { isList, isObject } from "../util/kinds.ts";
import type { HeadSet, HeadSetModel } from "./head-set.ts";

/** @throws InputError `INVALID_ARGUMENT` for what is no head set: `parseHeadSet` and detection make them. */
export function assertHeadSet(set: HeadSet, name = "set"): void {
  if (!isObject(set) || !isList(set.heads)) throw invalidArgument(name, "a head set", set);
}

/** The same for one that must say how many layers and heads its model has. */
export function assertSetOfModel(set: HeadSet & { model: HeadSetModel }): void {
  if (!isObject(set) || !isList(set.heads) || !isObject(set.model))
    throw invalidArgument("set", "a head set with a model", set);
}
