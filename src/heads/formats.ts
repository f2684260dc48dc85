import type { Head, ModelIdentity } from "../types.ts";
import { largestOf } from "../util/extremes.ts";
import { mean } from "../util/mean.ts";
import { yaml } from "../util/yaml.ts";
import { everyHead, headKey, parseHeadKey } from "./heads.ts";

/** How many heads are taken from a file of scores: the number that QRHead uses below 10B parameters (EMNLP 2025). */
export const DEFAULT_HEAD_COUNT = 16;

/** What a published format says: heads, and where it has them for every head, scores as `[layer][head]`. */
export type ForeignHeads = { heads: [layer: number, head: number][]; scores?: number[][] };

type Fail = (what: string) => never;

/** Fields under which published files keep their heads. */
const FIELDS = ["attn_head_set", "selected_heads", "dysco_qrheads", "qr_head_list", "important_heads", "heads"];
const YAML_FIELD = new RegExp(`^["']?(?:${FIELDS.join("|")})["']?\\s*:`, "m");

/**
 * Reads heads from any published format; see `parseHeadSet` for the list.
 *
 * @param content Parsed JSON, or the text of a file that is not JSON.
 * @param fail Throws, with what is wrong.
 */
export function readForeignHeads(content: unknown, fail: Fail, model?: ModelIdentity): ForeignHeads {
  if (typeof content === "string")
    return YAML_FIELD.test(content) ? readYaml(content, fail, model) : { heads: readText(content, fail, model) };
  if (Array.isArray(content)) return readArray(content, fail);
  if (typeof content === "object" && content !== null)
    return readObject(content as Record<string, unknown>, fail, model);
  return fail(`it holds ${content === null ? "null" : `a ${typeof content}`}`);
}

function readObject(object: Record<string, unknown>, fail: Fail, model?: ModelIdentity): ForeignHeads {
  const field = FIELDS.find((name) => name in object);
  if (field !== undefined) return readForeignHeads(object[field], fail, model);
  if (typeof object.params === "object" && object.params !== null) {
    return readObject(object.params as Record<string, unknown>, fail, model);
  }
  return chooseBest(
    Object.entries(object).map(([key, value]) => ({
      head: parseHeadKey(key) ?? fail(`it has no field that holds heads, and ${JSON.stringify(key)} names no head`),
      score: readScore(key, value, fail),
    })),
    fail,
  );
}

/** A number, or the mean of a list of trials. */
function readScore(key: string, value: unknown, fail: Fail): number {
  const trials = Array.isArray(value) ? value : [value];
  if (trials.length === 0 || !trials.every((trial) => typeof trial === "number" && Number.isFinite(trial))) {
    return fail(`the score of head ${key} is neither a number nor a list of numbers`);
  }
  return mean(trials);
}

/** `[[13, 18], …]`, `["13-18", …]`, or `[["13-18", score], …]`. */
function readArray(array: unknown[], fail: Fail): ForeignHeads {
  if (array.length === 0) return fail("it names no head");
  if (array.every((entry) => Array.isArray(entry) && entry.length === 2 && typeof entry[0] === "string")) {
    const entries = array as [string, unknown][];
    return chooseBest(
      entries.map(([key, value]) => ({
        head: parseHeadKey(key) ?? fail(`${JSON.stringify(key)} names no head`),
        score: readScore(key, value, fail),
      })),
      fail,
    );
  }
  return { heads: array.map((entry) => asHead(entry) ?? fail(`${JSON.stringify(entry)?.slice(0, 40)} names no head`)) };
}

function asHead(entry: unknown): [number, number] | null {
  if (typeof entry === "string") {
    const head = parseHeadKey(entry);
    return head && [head[0], head[1]];
  }
  const isPair = Array.isArray(entry) && entry.length === 2;
  return isPair && entry.every((part) => Number.isSafeInteger(part) && part >= 0) ? [entry[0], entry[1]] : null;
}

function chooseBest(entries: { head: Head; score: number }[], fail: Fail): ForeignHeads {
  if (entries.length === 0) return fail("it names no head");
  const ordered = entries.toSorted((a, b) => b.score - a.score || a.head[0] - b.head[0] || a.head[1] - b.head[1]);
  const best = ordered.slice(0, DEFAULT_HEAD_COUNT).map(({ head }): [number, number] => [head[0], head[1]]);

  const layers = largestOf(entries.map(({ head }) => head[0])) + 1;
  const heads = largestOf(entries.map(({ head }) => head[1])) + 1;
  const byKey = new Map(entries.map(({ head, score }) => [headKey(head), score]));
  if (entries.length !== byKey.size) return fail("it scores a head twice");
  if (layers * heads !== entries.length) return { heads: best };
  const rows = Array.from({ length: layers }, (_, layer) =>
    Array.from({ length: heads }, (_, head) => byKey.get(`${layer}-${head}`)!),
  );
  return { heads: best, scores: rows };
}

function readYaml(text: string, fail: Fail, model?: ModelIdentity): ForeignHeads {
  const document = yaml().parseDocument(text, { logLevel: "silent", prettyErrors: false });
  const [error] = document.errors;
  if (error) {
    // Files written by hand may have a whole line of heads among lines that are no YAML.
    const line = YAML_FIELD.exec(text)!;
    const value = /^[^\n]*/.exec(text.slice(line.index + line[0].length))![0];
    const isWhole = value.split(/[[(]/).length === value.split(/[\])]/).length;
    if (isWhole && /\d|full_heads/.test(value)) return { heads: readText(value, fail, model) };
    return fail(`YAML does not allow this: ${error.message}`);
  }
  let content: unknown;
  try {
    content = document.toJS();
    // An anchor may name what it is in.
    JSON.stringify(content);
  } catch (cause) {
    return fail(`YAML does not allow this: ${(cause as Error).message}`);
  }
  if (typeof content !== "object" || content === null) return { heads: readText(text, fail, model) };
  const value = Object.entries(content).find(([name]) => FIELDS.includes(name))?.[1] ?? "";
  // To YAML, [(1, 2), (3, 4)] without quotes is a list of the texts "(1", "2)", "(3" and "4)".
  const isCut = Array.isArray(value) && typeof value[0] === "string" && value[0].startsWith("(");
  return readForeignHeads(isCut ? value.join(",") : value, fail, model);
}

/** Each notation of a list: how it writes one head, and what may stand between heads. */
const NOTATIONS = [
  { head: /[[(]\s*(\d{1,9})\s*,\s*(\d{1,9})\s*[\])]/g, between: /^[\s,[\]()-]*$/ },
  { head: /-\s+-\s+(\d{1,9})\s+-\s+(\d{1,9})(?=\s|$)/g, between: /^\s*$/ },
  { head: /(?<![\d-])(\d{1,9})[-_](\d{1,9})(?![\d-])/g, between: /^[\s,[\]-]*$/ },
];

function readText(text: string, fail: Fail, model?: ModelIdentity): [number, number][] {
  const value = text.replace(/["']/g, "").trim();
  if (value === "full_heads") {
    return model
      ? everyHead(model.layers, model.heads).map(([layer, head]) => [layer, head])
      : fail("full_heads means every head of a model, and no model is given");
  }
  for (const { head, between } of NOTATIONS) {
    const heads = Array.from(value.matchAll(head), (match): [number, number] => [Number(match[1]), Number(match[2])]);
    if (heads.length > 0 && between.test(value.replace(head, ""))) return heads;
  }
  return fail(value === "" ? "it names no head" : `${JSON.stringify(value.slice(0, 40))} is not a list of heads`);
}
