import { readFileSync } from "node:fs";
import { everyHead, headKey, parseHeadKey, randomHeads } from "../../src/heads/heads.ts";
import { localHeads } from "../../src/heads/local.ts";
import { matchHeadSet } from "../../src/heads/match.ts";
import { fuseScores } from "../../src/ranking/fusion.ts";
import { scoreDocuments } from "../../src/ranking/scoring/documents.ts";
import type { Fuse, Head, ModelIdentity } from "../../src/types.ts";
import type { Config, Found } from "./config.ts";
import type { Reading, Seen } from "./reading.ts";

/** One query as methods see it. */
export type Read = { reading: Reading; attention: { query: Seen; null: Seen }; dense: number[] | undefined };

/** A way to rank what was read: its name in the table, and one score a candidate. */
export type Method<Of = Read> = {
  name: string;
  says: string;
  /** Undefined where the query cannot be ranked in this way. */
  rank: (read: Of) => number[] | undefined;
};

/** Heads, what each counts for, and whether the null query and the mask of outliers are used. */
type Sum = { heads: readonly Head[]; weights?: readonly number[]; calibrated?: boolean; masked?: boolean };

/** What `scoreBySum` adds up. */
type Summed = Pick<Sum, "heads" | "weights"> & { query: Seen; nulls: readonly Seen[]; mask: boolean };

/** Heads found without labels that are measured beside as many as the command chose. */
const FEW = 4;

/** The methods that are compared, BM25 first. */
export function methodsOf(config: Config, model: Config["models"][number], identity: ModelIdentity): Method[] {
  const { name: published, heads: qr } = publishedHeads(identity);
  const { layers, heads } = identity;
  const bm25: Method = { name: "BM25", says: "the order of the first stage", rank: ({ reading }) => reading.bm25 };
  const dense: Method = { name: "dense", says: "all-MiniLM-L6-v2, cosine", rank: (read) => read.dense };
  const icr = bySum("all heads (ICR)", { heads: everyHead(layers, heads) }, identity, "every head");
  const best = bySum("QR heads", { heads: qr }, identity, `\`${published}\`, the default for this model`);
  const random = Array.from({ length: config.randomDraws }, (_, draw) => {
    const chosen = randomHeads(qr.length, draw + 1, layers, heads);
    return bySum(`random, ${draw + 1}`, { heads: chosen }, identity, `\`random:${qr.length}:${draw + 1}\``);
  });
  const found = (name: string, from: Found | undefined, limit = Number.POSITIVE_INFINITY): Method[] => {
    if (!from) return [];
    const chosen = parseList(from.heads).slice(0, limit);
    const sum = { heads: chosen, ...(from.weights && { weights: from.weights }) };
    const says = `${chosen.map(headKey).join(", ")}, by \`${from.by}\`${from.note ? ` (${from.note})` : ""}`;
    return [bySum(name, sum, identity, says)];
  };
  const { fuseWeight: weight } = config;
  const few = model.bootstrapOrder && {
    heads: parseList(model.bootstrapOrder).slice(0, FEW).map(headKey).join(","),
    by: `${model.bootstrap?.by} --top ${FEW}`,
  };
  return [
    ...[bm25, dense, icr, ...random, bySum("one head", { heads: qr.slice(0, 1) }, identity, headKey(qr[0]!))],
    ...found("Wu's heads", model.wu, qr.length),
    ...found("QR heads, no labels", model.bootstrap),
    ...(few && few.heads !== model.bootstrap?.heads ? found(`no labels, ${FEW}`, few) : []),
    best,
    ...found("QR heads, weighted", model.weighted),
    ...found("heads for few shared words", model.fewShared),
    ...found("heads for both", model.both),
    ...[icr, best, dense].map((method) => fused(method, bm25, { weight })),
    fused(best, bm25, "rrf"),
    fused(best, dense, { weight }),
  ];
}

/** What each choice is worth: the default first, then what differs from it by one thing. */
export function choicesOf(model: Config["models"][number], identity: ModelIdentity): Method[] {
  const { layers, heads } = identity;
  const { heads: qr } = publishedHeads(identity);
  const ranked = rankedHeads(model, identity);
  const counts = [1, 2, 4, 8, 16].filter((count) => count <= ranked.length);
  const make = (name: string, sum: Sum, says = "") => bySum(name, sum, identity, says);
  return [
    make("default", { heads: qr }),
    ...counts.map((count) => make(`${count} head${count === 1 ? "" : "s"}`, { heads: ranked.slice(0, count) })),
    make("all heads", { heads: everyHead(layers, heads) }),
    ...Object.entries(model.objectives ?? {}).map(([objective, list]) =>
      make(`--objective ${objective}`, { heads: parseList(list) }),
    ),
    make("no null query", { heads: qr, calibrated: false }),
    make("no mask", { heads: qr, masked: false }),
    make("neither", { heads: qr, calibrated: false, masked: false }),
    make("all heads, no null query", { heads: everyHead(layers, heads), calibrated: false }),
  ];
}

export function publishedHeads(identity: ModelIdentity): { name: string; heads: readonly Head[] } {
  const published = matchHeadSet(identity);
  if (!published) throw new Error(`No head set was published for ${identity.name}`);
  return { name: published.name, heads: published.set.heads };
}

export const parseList = (list: string): Head[] => list.split(",").map((key) => parseHeadKey(key.trim())!);

/** Heads that see a whole prompt, by the labelled scores, best first. */
function rankedHeads(model: Config["models"][number], identity: ModelIdentity): Head[] {
  const { scores } = JSON.parse(readFileSync(model.scores, "utf8")) as { scores: number[][] };
  const all = everyHead(identity.layers, identity.heads);
  const local = new Set(localHeads(all, identity.slidingWindow).map(headKey));
  return all.filter((head) => !local.has(headKey(head))).sort(([a, b], [c, d]) => scores[c]![d]! - scores[a]![b]!);
}

/** Scores by the formula of `rank`, from what all heads saw. */
function bySum(name: string, sum: Sum, identity: ModelIdentity, says: string): Method {
  const { calibrated = true, masked: mask = true } = sum;
  return {
    name,
    says,
    rank: ({ reading, attention: { query, null: baseline } }) =>
      scoreBySum(reading, identity, { ...sum, query, nulls: calibrated ? [baseline] : [], mask }),
  };
}

/** The query's attention less the mean of the null queries', summed over heads by their weights and over tokens. */
export function scoreBySum(
  { spans, tokens }: Reading,
  { heads: width }: ModelIdentity,
  { heads, weights, query, nulls, mask }: Summed,
): number[] {
  const sums = new Float64Array(tokens);
  for (const [index, [layer, head]] of heads.entries()) {
    const add = (seen: Seen, weight: number) => {
      const row = seen[layer * width + head]!;
      for (let token = 0; token < tokens; token++) sums[token]! += weight * row[token]!;
    };
    const weight = weights?.[index] ?? 1;
    add(query, weight);
    for (const one of nulls) add(one, -weight / nulls.length);
  }
  return [...scoreDocuments(sums, spans, { mask })].map(Math.fround);
}

function fused(a: Method, b: Method, fuse: Exclude<Fuse, "none">): Method {
  return {
    name: `${a.name} + ${b.name}${fuse === "rrf" ? ", RRF" : ""}`,
    says: fuse === "rrf" ? "reciprocal rank fusion" : `sum of z-scores, ${fuse.weight} for ${a.name}`,
    rank: (read) => {
      const [left, right] = [a.rank(read), b.rank(read)];
      return left && right && fuseScores(left, right, fuse);
    },
  };
}
