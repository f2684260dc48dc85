import { InputError, invalidArgument } from "../errors.ts";
import type { Head, ModelIdentity } from "../types.ts";
import { counted } from "../util/counted.ts";
import { assertText } from "../util/given.ts";
import { readForeignHeads } from "./formats.ts";
import { checkHeadSet } from "./head-set-schema.ts";
import { findDuplicate, headKey } from "./heads.ts";

/** The model that a head set was found on. */
export type HeadSetModel = {
  /** The model that the heads were found on. */
  name: string;
  /** `general.architecture` of its GGUF. */
  architecture: string;
  layers: number;
  /** Query heads per layer. */
  heads: number;
  /** Identifies the file that the heads were found with. */
  fingerprint?: string;
  /** Layers with a sliding window of this many tokens; null if it is unknown which. */
  slidingWindow?: { tokens: number; layers: number[] | null };
};

/** A logistic curve over odds and shared words; see docs/relevance.md. */
export type HeadCalibration = {
  a: number;
  /** Above 0: relevance rises with the score. */
  b: number;
  /** What the share of the query's words that a document has counts for, 0 or more; absent where the heads alone decide. */
  words?: number;
  /** Areas under the curve of sensitivity and specificity, and mean loss in nats at equal weight of both kinds. */
  heldOut?: { folds: number; auc: number; logLoss: number; [field: string]: unknown };
  [field: string]: unknown;
};

/**
 * A head set: the heads, 0-based, and where they come from. The file format of `qrhead detect`, except that there
 * `model` is required: it is absent only from sets whose published format names no model.
 */
export type HeadSet = {
  format: "qrhead-heads";
  version: 1;
  model?: HeadSetModel;
  /** The prompt that the heads were found with. */
  prompt?: "auto" | "llama3" | "qwen2.5" | "template" | "plain" | "question";
  /** The query that calibration subtracted. */
  nullQuery?: string;
  /** Tokens of the longest prompt that these heads are known to rank well in. */
  promptTokens?: number;
  /** The layout that these heads rank best in, which is then the default; absent if both are as good, or it is unknown. */
  layout?: "listwise" | "independent";
  /** The heads' weight beside BM25 over the documents, from 0 to 1; absent if they rank best alone. */
  fuse?: number;
  /** The objective that rated the heads: `mass`, `ndcg`, `contrastive`, or the source's own word. */
  objective?: string;
  /** Where the heads come from. Further fields are kept. */
  source?: { name: string; examples?: number; url?: string; [field: string]: unknown };
  /** Best first. */
  heads: readonly Head[];
  /** The weight of each head, as many as `heads`; absent if all weigh the same, as published. */
  weights?: number[];
  /**
   * Constants of relevance by layout: 1 / (1 + e^−(a + b·odds + words·shared)). `heldOut`: how well it separates documents that answer from
   * others in examples that it was not fitted on.
   */
  calibration?: {
    listwise?: HeadCalibration;
    independent?: HeadCalibration;
  };
  /** Softmax temperature of the objective `contrastive`. */
  temperature?: number;
  /** Seed of the splits behind `stability`, `quality` and `fit`. */
  seed?: number;
  /** How much the heads depend on the examples. */
  stability?: {
    splits: number;
    examples: number;
    overlap: number;
    chance: number;
    curve: { examples: number; overlap: number }[];
    [field: string]: unknown;
  };
  /** How well the best heads rank held-out examples, by their number. */
  quality?: {
    folds: number;
    byHeads: { heads: number; ndcg: number; rPrecision: number }[];
    [field: string]: unknown;
  };
  /** What fitting weights gave on held-out examples; `weights` are there only if `kept`. */
  fit?: {
    kept: boolean;
    /** How strongly the weights were pulled towards each other. */
    pull?: number;
    /** Of files of 0.x releases, which fitted with L1. */
    l1?: number;
    folds: number;
    ndcg: { plain: number; weighted: number };
    standardError: number;
    [field: string]: unknown;
  };
  /** `[layer][head]`, every head of the model. */
  scores?: number[][];
};

/** Formats that `parseHeadSet` reads, for messages. */
const FORMATS =
  "a qrhead-heads file, a QRHead config or detection list, Wu's or CoRe's scores, " +
  "a DySCO config, a QRRanker config, a vLLM-Hook config, or a list such as 13-18,13-21";

/**
 * Reads a head-set file: the format of `qrhead detect`, or any published one.
 *
 * - QRHead: YAML with `attn_head_set: "13-18,…"`, and the JSON list of its detection scripts, `[["13-18", score], …]`
 * - retrieval heads (Wu et al., arXiv 2404.15574): JSON of trials, `{"13-18": [score, …], …}`, ranked by their mean
 * - CoRe (arXiv 2510.02219): JSON of scores, `{"13-18": score, …}`
 * - DySCO (arXiv 2602.22175): YAML with `selected_heads` or `dysco_qrheads`, as text or as a list
 * - QRRanker (arXiv 2602.12192): JSON with `qr_head_list`; vLLM-Hook: JSON with `params.important_heads`
 * - a bare list, `13-18,13-21` or `[[13, 18], [13, 21]]`
 *
 * If a file has scores but chooses no heads, the 16 best are taken, the number that QRHead uses below 10B parameters; equal
 * scores go by layer, then by head. The scores are kept if every head has one.
 *
 * @param sourceName Name of the file in messages; the provenance of sets that name none.
 * @param model Written into sets whose format names no model; needed for QRHead's `full_heads`, which means every head.
 * @throws InputError `HEADS_INVALID` for anything else.
 * @example
 * const heads = parseHeadSet("13-18,13-21", "my heads");
 * await using retriever = await QRRetriever.load({ model: "model.gguf", heads });
 */
export function parseHeadSet(text: string, sourceName: string, model?: ModelIdentity): HeadSet {
  const fail = (what: string): never => {
    throw new InputError(
      "HEADS_INVALID",
      `${sourceName} is not a head set that can be read: ${what} (read: ${FORMATS})`,
    );
  };

  if (typeof text !== "string") throw invalidArgument("text", "the text of a head-set file", text);
  assertText(sourceName, "sourceName");
  const trimmed = text.replace(/^\uFEFF/, "").trim();
  if (trimmed === "") return fail("it is empty");
  const json = parseJson(trimmed);
  const set = isOwnFormat(json) ? readOwnFormat(json, fail) : fromForeign(foreign(), sourceName, model);

  const duplicate = findDuplicate(set.heads);
  if (duplicate) return fail(`head ${headKey(duplicate)} is named twice`);
  return set;

  function foreign() {
    try {
      return readForeignHeads(json === undefined ? trimmed : json, fail, model);
    } catch (error) {
      if (error instanceof RangeError) return fail("it is nested too deeply");
      throw error;
    }
  }
}

/** The parsed JSON, or undefined where the text is in another notation. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isOwnFormat(json: unknown): json is { format: unknown } {
  return typeof json === "object" && json !== null && "format" in json;
}

function readOwnFormat(json: unknown, fail: (what: string) => never): HeadSet {
  const parsed = checkHeadSet(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return fail(`${issue?.path.join(".") || "the file"}: ${issue?.message ?? "malformed"}`);
  }
  const { model, heads, weights, scores } = parsed.data;
  const outside = heads.find(([layer, head]) => layer >= model.layers || head >= model.heads);
  if (outside) {
    return fail(
      `head ${headKey(outside)} is outside the ${counted(model.layers, "layer")} of ${counted(model.heads, "head")} that it names`,
    );
  }
  if (weights && weights.length !== heads.length)
    return fail(`it has ${counted(weights.length, "weight")} for ${counted(heads.length, "head")}`);
  if (weights?.every((weight) => weight === 0)) return fail("every head has the weight 0");
  if (scores && (scores.length !== model.layers || scores.some((row) => row.length !== model.heads))) {
    return fail(`scores are not ${counted(model.layers, "layer")} of ${counted(model.heads, "head")}`);
  }
  return parsed.data;
}

function fromForeign(
  found: ReturnType<typeof readForeignHeads>,
  sourceName: string,
  model: ModelIdentity | undefined,
): HeadSet {
  const set: HeadSet = { format: "qrhead-heads", version: 1, source: { name: sourceName }, ...found };
  if (model) {
    const { name, architecture, originalLayers, heads } = model;
    set.model = { name, architecture, layers: originalLayers, heads };
  }
  return set;
}
