import type { NativeModelInfo } from "./addon-types.ts";

/** Bytes of one number in each cache type: quantised ones share scales among 32. */
const BYTES: Readonly<Record<string, number>> = {
  f32: 4,
  f16: 2,
  bf16: 2,
  q8_0: 34 / 32,
  q5_1: 24 / 32,
  q5_0: 22 / 32,
  q4_1: 20 / 32,
  q4_0: 18 / 32,
};

/** Bytes of K and V of one token in the caches of all layers, computed from the GGUF header. */
export function bytesPerToken(
  { architecture, layers, heads, kvHeads, embeddingSize, metadata }: NativeModelInfo,
  { cacheTypeK = "f16", cacheTypeV = "f16" }: { cacheTypeK?: string | undefined; cacheTypeV?: string | undefined },
): number {
  const lengthOf = (name: string) =>
    Number(metadata[`${architecture}.attention.${name}_length`] ?? embeddingSize / Math.max(1, heads));
  const k = lengthOf("key") * (BYTES[cacheTypeK] ?? 4);
  const v = lengthOf("value") * (BYTES[cacheTypeV] ?? 4);
  return layers * kvHeads * (k + v);
}
