// A byte-pair vocabulary of a GGUF, and a part of it that splits text in the same way.

/** `tokenizer.ggml.token_type` of an ordinary token; control and user-defined ones have other numbers. */
const NORMAL = 1;

export type Vocabulary = {
  tokens: readonly string[];
  types: readonly number[];
  /** Pairs in order of rank. */
  merges: readonly (readonly [left: string, right: string])[];
};

export type CutVocabulary = Vocabulary & {
  /** Of every kept token the id that it had. */
  ids: readonly number[];
};

/**
 * The ids that must be kept with the wanted ones: every special token, every single byte, and of each token the two that it
 * is merged from, down to bytes.
 *
 * A text whose tokens are all kept is split as before: the merges that make those tokens are all there, in the same order,
 * and with fewer merges to choose from the first one that applies is still the first.
 */
export function closeUnderMerges(vocabulary: Vocabulary, wanted: Iterable<number>): Set<number> {
  const { tokens, types, merges } = vocabulary;
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  const parts = new Map<number, [number, number][]>();
  for (const [left, right] of merges) {
    const made = idOf.get(left + right);
    const [a, b] = [idOf.get(left), idOf.get(right)];
    if (made === undefined || a === undefined || b === undefined) continue;
    parts.set(made, [...(parts.get(made) ?? []), [a, b]]);
  }
  const kept = new Set<number>();
  const waiting = [...wanted];
  for (const [id, type] of types.entries()) if (type !== NORMAL || !parts.has(id)) waiting.push(id);
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    if (kept.has(id)) continue;
    kept.add(id);
    for (const pair of parts.get(id) ?? []) waiting.push(...pair);
  }
  return kept;
}

/** The kept tokens in their old order, and the merges between them that make one of them. */
export function cutVocabulary({ tokens, types, merges }: Vocabulary, kept: ReadonlySet<number>): CutVocabulary {
  const ids = [...kept].sort((a, b) => a - b);
  const names = new Set(ids.map((id) => tokens[id]!));
  return {
    ids,
    tokens: ids.map((id) => tokens[id]!),
    types: ids.map((id) => types[id]!),
    merges: merges.filter(([left, right]) => names.has(left) && names.has(right) && names.has(left + right)),
  };
}

/** A set of ids as one bit each, the lowest first, in base64. */
export function packIds(ids: Iterable<number>, size: number): string {
  const bits = Buffer.alloc(Math.ceil(size / 8));
  for (const id of ids) bits[id >> 3]! |= 1 << (id & 7);
  return bits.toString("base64");
}

export function unpackIds(packed: string): number[] {
  const bits = Buffer.from(packed, "base64");
  return Array.from({ length: bits.length * 8 }, (_, id) => id).filter((id) => (bits[id >> 3]! >> (id & 7)) & 1);
}
