import { InputError, invalidArgument } from "../errors.ts";
import type { PromptName } from "../prompt/profiles.ts";
import type { Head, ModelIdentity } from "../types.ts";
import { counted } from "../util/counted.ts";
import { isList, isObject } from "../util/kinds.ts";
import { type HeadSet, parseHeadSet } from "./head-set.ts";
import { assertHeadsFit, everyHead, parseHeadKey, randomHeads } from "./heads.ts";
import { matchHeadSet } from "./match.ts";
import { findPublished } from "./published.ts";

/** Heads that fit the loaded model, and what came with them. */
export type ResolvedHeads = {
  heads: Head[];
  /** What each head counts for; absent where all count alike. */
  weights?: number[];
  /** A published name, a file, or the specification itself. */
  name: string;
  /** The prompt that the heads were found with; absent where unknown, or where the model only resembles theirs. Ranking with another is worth a warning. */
  prompt?: PromptName;
  /** The query that calibration subtracted when they were found. */
  nullQuery?: string;
  /** Tokens of the longest prompt that they are known to rank well in. */
  promptTokens?: number;
  /** The layout that they rank best in, which is the default then; absent where both will do, or it is not known. */
  layout?: "listwise" | "independent";
  /** What makes relevance of their attention, by layout; absent where it was not fitted. */
  calibration?: HeadSet["calibration"] & {};
  /** What they count for beside BM25 over the documents, where nothing else is asked for. */
  fuse?: number;
  /** One sentence to show, where the heads may not suit the model. */
  warning?: string;
};

const ACCEPTED =
  "auto, all, random:N:SEED, a list such as 13-18,13-21, the name of a published set, or the path of a head-set file";

/**
 * Turns a head specification into heads that the model has.
 *
 * - `auto`: the set that was published for this model
 * - `all`: every head of every layer (ICR, arXiv 2410.02642)
 * - `random:N:SEED`: N different heads, the same for the same seed (0 to 2³²−1), a baseline to compare with
 * - `13-18,13-21`: 0-based layer and head
 * - the name of a published set such as `qrhead-llama-3.1-8b-lme`, else the path of a file that `parseHeadSet` reads
 *
 * Heads given as pairs, and a `HeadSet`, are checked in the same way.
 *
 * @param readFile Gives the text of a file, or undefined where there is none.
 * @throws InputError `HEADS_UNKNOWN` when the specification is none of these, or `auto` finds no published set.
 * @throws InputError `HEADS_MISMATCH` when the heads are another model's, or are not in this one.
 * @throws InputError `HEADS_INVALID` for a file that is not a head set, `INVALID_ARGUMENT` for a malformed list.
 */
export function resolveHeads(
  spec: string | readonly Head[] | HeadSet,
  model: ModelIdentity,
  readFile: (path: string) => string | undefined,
): ResolvedHeads {
  if (typeof spec !== "string") {
    if (isListOfHeads(spec)) return checked(spec, model, "heads");
    if (!isObject(spec) || !isList(spec.heads)) {
      throw invalidArgument("heads", "a string, a list of [layer, head] pairs, or a head set", spec);
    }
    return fromSet(spec, model, spec.source?.name ?? "the head set");
  }

  const text = spec.trim();
  if (text === "auto") return automatic(model);
  if (text === "all") return { heads: everyHead(model.layers, model.heads), name: "all" };
  if (text.startsWith("random:")) return random(text, model);
  if (/^\d+[-_]\d+(\s*,\s*\d+[-_]\d+)*$/.test(text)) {
    const heads = text.split(",").map((key) => parseHeadKey(key)!);
    return { ...checked(heads, model, "heads"), name: text };
  }
  const published = findPublished(text);
  if (published) return fromSet(published.set, model, published.name);

  const content = text === "" ? undefined : readFile(text);
  if (content === undefined) {
    throw new InputError(
      "HEADS_UNKNOWN",
      `Heads ${JSON.stringify(text)} are neither a published set nor an existing file: use ${ACCEPTED}`,
    );
  }
  return fromSet(parseHeadSet(content, text, model), model, text);
}

function isListOfHeads(spec: readonly Head[] | HeadSet): spec is readonly Head[] {
  return isList(spec);
}

function checked(heads: readonly Head[], model: ModelIdentity, name: string): ResolvedHeads {
  assertHeadsFit(heads, model, name);
  return { heads: heads.map(([layer, head]): Head => [layer, head]), name };
}

function automatic(model: ModelIdentity): ResolvedHeads {
  const match = matchHeadSet(model);
  if (!match) {
    throw new InputError(
      "HEADS_UNKNOWN",
      `No head set is published for ${model.name} (${shapeOf({ ...model, layers: model.originalLayers })})`,
      { option: "heads", advice: 'find its heads with `qrhead detect`, or rank with all of them: heads: "all" (ICR)' },
    );
  }
  const resolved = fromSet(match.set, model, match.name);
  if (match.warning === undefined) return resolved;
  // A related model may have another chat template, which then decides the prompt.
  const { prompt: _, ...rest } = resolved;
  return { ...rest, warning: match.warning };
}

function random(text: string, model: ModelIdentity): ResolvedHeads {
  const match = /^random:(\d+):(\d+)$/.exec(text);
  const total = model.layers * model.heads;
  const [count, seed] = match ? [Number(match[1]), Number(match[2])] : [0, 0];
  if (count < 1 || count > total || seed > 0xffffffff) {
    throw invalidArgument("heads", `random:N:SEED with N from 1 to ${total} and SEED from 0 to 4294967295`, text);
  }
  return { heads: randomHeads(count, seed, model.layers, model.heads), name: text };
}

function fromSet(set: HeadSet, model: ModelIdentity, name: string): ResolvedHeads {
  const found = set.model;
  const loaded = { ...model, layers: model.originalLayers };
  if (found && shapeOf(found) !== shapeOf(loaded)) {
    throw new InputError(
      "HEADS_MISMATCH",
      `Heads ${name} were found on ${found.name} (${shapeOf(found)}), but ${model.name} is ${shapeOf(loaded)}: ` +
        "use heads that were found on this model, or find them with `qrhead detect`",
    );
  }
  const resolved = checked(set.heads, model, name);
  if (set.weights !== undefined) assertWeights(set.weights, set.heads.length, name);
  return {
    ...resolved,
    ...(set.weights !== undefined && { weights: [...set.weights] }),
    ...(set.prompt !== undefined && { prompt: set.prompt }),
    ...(set.nullQuery !== undefined && { nullQuery: set.nullQuery }),
    ...(set.promptTokens !== undefined && { promptTokens: set.promptTokens }),
    ...(set.layout !== undefined && { layout: set.layout }),
    ...(set.calibration !== undefined && { calibration: set.calibration }),
    ...(set.fuse !== undefined && { fuse: set.fuse }),
  };
}

/** A head set from a file has been checked; one that a program made has not. */
function assertWeights(weights: readonly number[], heads: number, name: string): void {
  const isList = Array.isArray(weights) && weights.every((weight) => Number.isFinite(weight) && weight >= 0);
  if (!isList || weights.length !== heads || !weights.some((weight) => weight > 0)) {
    throw invalidArgument(`weights of ${name}`, `${heads} numbers of at least 0, not all 0`, weights);
  }
}

function shapeOf(model: { architecture: string; layers: number; heads: number }): string {
  return `${model.architecture}, ${counted(model.layers, "layer")} of ${counted(model.heads, "head")}`;
}
