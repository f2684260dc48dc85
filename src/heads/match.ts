import { invalidArgument } from "../errors.ts";
import type { ModelIdentity } from "../types.ts";
import { isObject } from "../util/kinds.ts";
import type { HeadSet } from "./head-set.ts";
import { PUBLISHED_HEAD_SETS, type PublishedModelKey } from "./published.ts";

/** How the names of a model are recognised. All patterns apply to lower case, with `-` for anything but `a-z0-9.` */
type NameRule = {
  /** Family and version. */
  family: RegExp;
  /** Billions of parameters as the model is called; null where its names do not say. */
  size: number | null;
  /** Words that tell it from other models of its family, shape and size. */
  marks?: readonly string[];
  /** Words that the model itself has in its name, and its base or its relatives may lack. */
  own?: readonly string[];
  /** Header values that together no other model has: they recognise it whatever a converter or a person called it. */
  header?: Readonly<Record<string, RegExp>>;
};

const RULES: Readonly<Record<PublishedModelKey, NameRule>> = {
  // Its header has everything that identifies SmolLM2, and one word more.
  "qrhead-base-v3": { family: /qrhead-base(-\d+m)?-v3/, size: null, marks: ["base"] },
  "qrhead-base-v2": { family: /qrhead-base(-\d+m)?-v2/, size: null, marks: ["base"] },
  "qrhead-mini-v3": { family: /qrhead-mini(-\d+m)?-v3/, size: null },
  "qrhead-mini-v2": { family: /qrhead-mini-v2/, size: null },
  "qrhead-mini-v1": { family: /qrhead-mini(-v1)?/, size: null },
  "smollm2-135m": {
    family: /smollm-?2/,
    size: null,
    own: ["instruct"],
    header: {
      "llama.embedding_length": /^576$/,
      "tokenizer.ggml.pre": /^smollm$/,
      "tokenizer.chat_template": /named SmolLM, trained by Hugging Face/,
    },
  },
  "gemma-3-270m": {
    family: /gemma-?3(?![\da-z.])/,
    size: null,
    // The instruct model of the same shape has a template.
    header: { "gemma3.embedding_length": /^640$/, "tokenizer.chat_template": /^$/ },
  },
  "llama-3.1-8b": { family: /llama-?3[.-]1(?![\da-z.])/, size: 8, own: ["instruct"] },
  "llama-3.1-70b": { family: /llama-?3[.-]1(?![\da-z.])/, size: 70, own: ["instruct"] },
  "llama-3.2-3b": { family: /llama-?3[.-]2(?![\da-z.])/, size: 3, own: ["instruct"] },
  "llama-3.2-1b": { family: /llama-?3[.-]2(?![\da-z.])/, size: 1, own: ["instruct"] },
  "qwen2.5-7b": { family: /qwen-?2[.-]5(?![\da-z.])/, size: 7, own: ["instruct"] },
  "qwen3-4b": { family: /qwen-?3(?![\da-z.])/, size: 4 },
  "qwen3-4b-2507": { family: /qwen-?3(?![\da-z.])/, size: 4, marks: ["2507"], own: ["instruct"] },
  "qwen3-8b": { family: /qwen-?3(?![\da-z.])/, size: 8 },
  "qwen3-32b": { family: /qwen-?3(?![\da-z.])/, size: 32 },
  "qwen3-embedding-8b": { family: /qwen-?3(?![\da-z.])/, size: 8, marks: ["embedding"] },
  "mistral-7b-v0.2": { family: /mistral(?=-(.*-)?v-?0[.-]2(?![\d.]))/, size: 7, marks: ["v0.2"], own: ["instruct"] },
  "granite-3.2-8b": { family: /granite-?3[.-]2(?![\da-z.])/, size: 8, own: ["instruct"] },
  "phi-4": { family: /phi-?4(?![\da-z.])/, size: null },
};

/** Words of file names that say nothing about the model: publishers, quantisations, shards, and our own slim files. */
const NOISE =
  /^(meta|meta-llama|llama|qwen|mistralai|ibm|granite|microsoft|models|bartowski|unsloth|thebloke|lmstudio|community|mradermacher|maziyarpanahi|quantfactory|gguf|ggml|hf|imat|imatrix|i1|ud|i?q\d+|tq\d+|k|s|m|l|xs|xxs|xl|nl|0|1|b?f16|fp16|fp?32|fp8|mxfp4|of|\d{5}|slim|l\d+)$/;

/** A model of 7B may be labelled "7.6B"; models of one family and shape are further apart. */
const SIZE_TOLERANCE = 0.1;

export type HeadSetMatch = {
  set: HeadSet;
  /** The published name of the set. */
  name: string;
  /** One sentence, if the heads were found on another model with the same base. */
  warning?: string;
};

/**
 * Finds the head set that was published for a model.
 *
 * Architecture, layers (before slimming) and heads must be equal, and a name must give family, version and size: the
 * model's own names (`general.name`, `basename` with its companions, the file name), or else those of the base model in
 * `general.base_model.*`. Some models are recognised by their header alone. If several sets fit, the default of QRHead's code comes first (LongMemEval), then its NQ
 * set, DySCO, QRRanker, CoRe, and unpublished work last.
 *
 * @returns null if no set was published for this model.
 * @example
 * const match = matchHeadSet(retriever.model);
 * console.log(match?.name, match?.warning);
 */
export function matchHeadSet(model: ModelIdentity): HeadSetMatch | null {
  if (!isObject(model)) {
    throw invalidArgument("model", "what retriever.model gives", model);
  }
  const candidates = PUBLISHED_HEAD_SETS.filter(
    ({ set }) =>
      set.model.architecture === model.architecture &&
      set.model.layers === model.originalLayers &&
      set.model.heads === model.heads,
  ).flatMap((published) => {
    const likeness = compareNames(RULES[published.modelKey], model);
    return likeness === null ? [] : [{ published, likeness }];
  });

  // The sort is stable, so that the order of preference decides among equals.
  candidates.sort((a, b) => Number(b.likeness.exact) - Number(a.likeness.exact) || b.likeness.marks - a.likeness.marks);
  const best = candidates[0];
  if (!best) return null;
  const { name, set } = best.published;
  if (best.likeness.exact) return { set, name };
  const warning =
    `${model.name} is not the model that the heads ${name} were found on (${set.model.name}) but seems to be of the ` +
    "same base: find its own with `qrhead detect` if the ranking matters";
  return { set, name, warning };
}

/** `exact`: it is that very model. `marks`: how many distinguishing words agreed. null: another model. */
type Likeness = { exact: boolean; marks: number };

function compareNames(rule: NameRule, model: ModelIdentity): Likeness | null {
  const { metadata } = model;
  const header = Object.entries(rule.header ?? {});
  if (header.length > 0 && header.every(([key, value]) => value.test(metadata[key] ?? ""))) {
    return { exact: true, marks: rule.marks?.length ?? 0 };
  }
  const general = (key: string) => metadata[`general.${key}`] ?? "";
  const composed = ["basename", "size_label", "finetune", "version"].map(general).filter(Boolean).join("-");
  const own = [model.name, general("name"), composed, model.fileName].map(normalise);
  const bases = Object.keys(metadata)
    .filter((key) => /^general\.base_model\.\d+\.(name|repo_url)$/.test(key))
    .map((key) => normalise(metadata[key]!.replace(/^https?:\/\/[^/]+\//, "")));

  const declared = sizeOf(normalise(general("size_label")));
  const marks = rule.marks ?? [];
  const identifies = (name: string) =>
    rule.family.test(name) &&
    hasSize(sizeOf(name) ?? declared, rule.size) &&
    marks.every((mark) => name.includes(mark));

  const naming = own.filter(identifies);
  if (naming.length > 0) {
    const own = (rule.own ?? []).every((word) => naming.some((name) => name.includes(word)));
    return { exact: own && naming.every((name) => saysNoMore(name, rule)), marks: marks.length };
  }
  const ownSize = own.map(sizeOf).find((size) => size !== null) ?? declared;
  const fromBase = bases.some(identifies) && (ownSize === null || hasSize(ownSize, rule.size));
  return fromBase ? { exact: false, marks: marks.length } : null;
}

/** Whether a name has no words except the model's own and noise. */
function saysNoMore(name: string, rule: NameRule): boolean {
  const known = [...(rule.marks ?? []), ...(rule.own ?? [])];
  const size = rule.size === null ? ANY_SIZE : SIZE;
  // Everywhere: composed and downloaded names repeat themselves ("Qwen_Qwen3-4B", "Qwen3-4B" with the size "4B").
  const words = name.replaceAll(new RegExp(rule.family, "g"), "-").replaceAll(new RegExp(size, "g"), "-").split("-");
  return words.every((word) => word === "" || known.includes(word) || NOISE.test(word));
}

const SIZE = /(?<![a-z\d.])(\d+(?:\.\d+)?)b(?![a-z\d])/;
const ANY_SIZE = /(?<![a-z\d.])\d+(\.\d+)?[bm](?![a-z\d])/;

function sizeOf(name: string): number | null {
  const match = SIZE.exec(name);
  return match ? Number(match[1]) : null;
}

function hasSize(size: number | null, wanted: number | null): boolean {
  return wanted === null || (size !== null && Math.abs(size - wanted) <= wanted * SIZE_TOLERANCE);
}

function normalise(name: string): string {
  return name
    .toLowerCase()
    .replace(/\.gguf$/, "")
    .replace(/[^a-z0-9.]+/g, "-")
    .replace(/\.(?!\d)|(?<!\d)\./g, "-");
}
