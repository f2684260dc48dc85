import { InputError, invalidArgument } from "../errors.ts";
import type { Head, ModelIdentity } from "../types.ts";
import { isList } from "../util/kinds.ts";

/** `13-18`, as every published format writes a head: 0-based layer, 0-based head. */
export function headKey([layer, head]: Head): string {
  return `${layer}-${head}`;
}

/** The head that a key such as `13-18` or `13_18` names; null for any other text. */
export function parseHeadKey(key: string): Head | null {
  const match = /^\s*(\d{1,9})\s*[-_]\s*(\d{1,9})\s*$/.exec(key);
  return match ? [Number(match[1]), Number(match[2])] : null;
}

/** The last layer that the heads need; −1 for none. A forward pass may end there. */
export function deepestLayer(heads: readonly Head[]): number {
  return heads.reduce((deepest, [layer]) => Math.max(deepest, layer), -1);
}

/** The first head that stands in the list twice, if any. */
export function findDuplicate(heads: readonly Head[]): Head | undefined {
  const seen = new Set<string>();
  return heads.find((head) => seen.size === seen.add(headKey(head)).size);
}

/** Every head of `layers × heads`, by layer, then by head. */
export function everyHead(layers: number, heads: number): Head[] {
  return Array.from({ length: layers * heads }, (_, index) => [Math.floor(index / heads), index % heads]);
}

/**
 * Checks that a list of heads can be used with a model.
 *
 * @param name What the message calls the list.
 * @throws InputError `INVALID_ARGUMENT` for an empty list, a pair that is no head, or a head named twice.
 * @throws InputError `HEADS_MISMATCH` for a layer or head that the model, or this slimmed file of it, does not have.
 */
export function assertHeadsFit(heads: readonly Head[], model: ModelIdentity, name: string): void {
  if (heads.length === 0) throw invalidArgument(name, "at least one head", "none");
  // Of what the option itself lists, the option's name would say nothing.
  const of = name === "heads" ? "" : ` of ${name}`;
  for (const head of heads) {
    if (!isHead(head)) throw invalidArgument(name, "pairs of a 0-based layer and a 0-based head", head);
    const [layer, index] = head;
    if (layer >= model.originalLayers || index >= model.heads) {
      throw new InputError(
        "HEADS_MISMATCH",
        `Head ${headKey(head)}${of} does not exist in ${model.name}, whose layers are 0 to ` +
          `${model.originalLayers - 1} and heads 0 to ${model.heads - 1}: use heads that were found on this model`,
      );
    }
    if (layer >= model.layers) {
      throw new InputError(
        "HEADS_MISMATCH",
        `Head ${headKey(head)}${of} needs layer ${layer}, but ${model.fileName} was slimmed to layers 0 to ` +
          `${model.layers - 1} of ${model.originalLayers}: use the whole model, or slim it to ${layer + 1} layers or more`,
      );
    }
  }
  const duplicate = findDuplicate(heads);
  if (duplicate) throw invalidArgument(name, "every head once", `${headKey(duplicate)} twice`);
}

function isHead(value: unknown): value is Head {
  return isList(value) && value.length === 2 && value.every((part) => Number.isSafeInteger(part) && part >= 0);
}

/**
 * Draws heads without replacement, the same ones for the same seed on every machine. A baseline to compare with.
 *
 * @param seed An integer from 0 to 2³²−1.
 * @returns `count` heads of `layers × heads`, by layer, then by head.
 */
export function randomHeads(count: number, seed: number, layers: number, heads: number): Head[] {
  const pool = everyHead(layers, heads);
  const random = seededRandom(seed);
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor(random() * (pool.length - i));
    [pool[i], pool[j]] = [pool[j]!, pool[i]!];
  }
  return pool.slice(0, count).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
}

/** A copy in random order (Fisher and Yates). */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** A small generator with 32 bits of state, in the public domain (Tommy Ettinger's mulberry32). Values in `[0, 1)`. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
