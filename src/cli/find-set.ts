import path from "node:path";
import { InputError } from "../errors.ts";
import { readHeadFile } from "../heads/head-file.ts";
import { type HeadSet, type HeadSetModel, parseHeadSet } from "../heads/head-set.ts";
import { matchHeadSet } from "../heads/match.ts";
import { findPublished } from "../heads/published.ts";
import { resolveHeads } from "../heads/spec.ts";
import { loadModel } from "../model/model.ts";
import type { ModelIdentity } from "../types.ts";
import { type ModelFlags, toLoadOptions } from "./options.ts";

export type FoundSet = { name: string; set: HeadSet; warning?: string };

/**
 * The head set that a specification means, with its provenance.
 *
 * @param model Decides what `auto`, `all` and `random:N:SEED` mean, and is checked against the set.
 * @throws InputError `HEADS_UNKNOWN`, and what `resolveHeads` throws.
 */
export function findSet(spec: string, model: ModelIdentity | undefined): FoundSet {
  const found = lookUp(spec, model);
  if (model) resolveHeads(spec, model, readHeadFile);
  return found;
}

function lookUp(spec: string, model: ModelIdentity | undefined): FoundSet {
  const match = spec === "auto" && model ? matchHeadSet(model) : null;
  if (match) return match;
  const published = findPublished(spec);
  if (published) return published;
  const text = readHeadFile(spec);
  if (text !== undefined) return { name: path.basename(spec), set: parseHeadSet(text, spec, model) };
  if (model) return fromSpecification(spec, model);
  const needsModel = /^(auto|all|random:.*|[\d\s,_-]+)$/.test(spec);
  throw new InputError(
    "HEADS_UNKNOWN",
    needsModel
      ? `Heads ${JSON.stringify(spec)} depend on the model: name one with --model`
      : `Head set ${JSON.stringify(spec)} is neither a published set nor an existing file: see qrhead heads list`,
  );
}

/** @throws InputError `INVALID_INPUT` for a set that does not say which model it is for, and how many heads that has. */
export function ofModel({ name, set }: Pick<FoundSet, "name" | "set">): HeadSet & { model: HeadSetModel } {
  const { model } = set;
  if (model) return { ...set, model };
  throw new InputError("INVALID_INPUT", `${name} does not say which model it is for: name one with --model`);
}

/** Heads that stand in no file: all, random ones, or a list. */
function fromSpecification(spec: string, model: ModelIdentity): FoundSet {
  const { heads, name } = resolveHeads(spec, model, () => undefined);
  const { name: modelName, architecture, originalLayers } = model;
  const shape = { name: modelName, architecture, layers: originalLayers, heads: model.heads };
  return { name, set: { format: "qrhead-heads", version: 1, model: shape, source: { name }, heads } };
}

/** The model of the flags; none without `--model`, unless a specification means the built-in one's own set. */
export async function modelFor(
  specs: readonly string[],
  flags: ModelFlags,
  signal: AbortSignal,
): Promise<ModelIdentity | undefined> {
  if (flags.model === undefined && !specs.includes("auto")) return undefined;
  const { identity, native } = await loadModel({ ...toLoadOptions(flags), signal });
  await native.dispose();
  return identity;
}
