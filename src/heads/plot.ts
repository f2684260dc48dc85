import { assertText } from "../util/given.ts";
import { assertSetOfModel } from "./given-set.ts";
import type { HeadSet, HeadSetModel } from "./head-set.ts";

/**
 * A heat map of every head, layers downwards and heads to the right, with the heads of the set outlined; one SVG that needs
 * nothing else. Each cell has a title with layer, head, score and rank.
 *
 * @param name What the set is called.
 * @throws InputError `INVALID_ARGUMENT` for what is no head set of a model.
 * @example
 * const [published] = PUBLISHED_HEAD_SETS;
 * const svg = await plotHeadSet(published!.set, published!.name);
 */
export async function plotHeadSet(set: HeadSet & { model: HeadSetModel }, name: string): Promise<string> {
  assertSetOfModel(set);
  assertText(name, "name");
  const { drawHeadMap } = await import("./head-map.ts");
  return drawHeadMap(set, name);
}
