import type { NativeModelInfo } from "../native/addon-types.ts";

/** Layers whose tokens attend to the last few tokens only. */
export type SlidingWindow = {
  /** How many tokens they look back, the token itself included. */
  tokens: number;
  /** Which layers, 0-based; null where the file does not say and llama.cpp's rule is not known here. */
  layers: readonly number[] | null;
};

/**
 * Every how many layers one sees everything, as llama.cpp decides it (`src/models/*.cpp` of the pinned release); `first`
 * where it is the first of them and not the last. The header may say another number.
 */
const PERIODS: Readonly<Record<string, { period: number; first?: true }>> = {
  afmoe: { period: 4 },
  cohere2: { period: 4 },
  cohere2moe: { period: 4, first: true },
  "exaone-moe": { period: 4 },
  exaone4: { period: 4 },
  gemma2: { period: 2 },
  gemma3: { period: 6 },
  gemma3n: { period: 5 },
  "gpt-oss": { period: 2 },
  laguna: { period: 4, first: true },
  llama4: { period: 4 },
  mellum: { period: 4 },
  "muse-glimmer": { period: 4 },
  olmo2: { period: 4 },
  plamo3: { period: 8 },
  smallthinker: { period: 4, first: true },
};

/** Architectures that read a list of layers from the header; the others take their rule where they find a list. */
const LISTED = new Set([
  "cohere2moe",
  "dots3note",
  "gemma4",
  "granite-swa",
  "mellum",
  "mimo2",
  "muse-glimmer",
  "step35",
]);

/**
 * Which layers of a model have a sliding window; undefined where none has.
 *
 * @param readList The header's list for the key, 1 for a layer with a window; null where it has none.
 */
export async function slidingWindowOf(
  {
    architecture,
    layers,
    slidingWindow: tokens,
    metadata,
  }: Pick<NativeModelInfo, "architecture" | "layers" | "slidingWindow" | "metadata">,
  readList: (key: string) => Promise<readonly number[] | null>,
): Promise<SlidingWindow | undefined> {
  if (!(tokens > 0)) return undefined;
  // The small models of this architecture name a size and have no window.
  if (architecture === "exaone4" && layers !== 64) return undefined;
  const all = Array.from({ length: layers }, (_, layer) => layer);
  const key = `${architecture}.attention.sliding_window_pattern`;
  const said = Number(metadata[key]);
  if (!Number.isInteger(said) && LISTED.has(architecture)) {
    const list = await readList(key);
    return { tokens, layers: list && all.filter((layer) => Number(list[layer]) === 1) };
  }
  const rule = PERIODS[architecture];
  if (!rule) return { tokens, layers: null };
  const period = Number.isInteger(said) ? said : rule.period;
  const sees = rule.first ? 0 : period - 1;
  return { tokens, layers: all.filter((layer) => period === 0 || layer % period !== sees) };
}

/** A list of the GGUF header, which llama.cpp does not give out; null where it has none, or node-llama-cpp is left out. */
export async function readHeaderList(file: string, key: string): Promise<readonly number[] | null> {
  const { readGgufFileInfo } = await import("node-llama-cpp").catch(() => ({ readGgufFileInfo: null }));
  if (!readGgufFileInfo) return null;
  const tokenizer = ["tokens", "scores", "token_type", "merges"].map((name) => `tokenizer.ggml.${name}`);
  const { metadata } = await readGgufFileInfo(file, {
    ...{ readTensorInfo: false, sourceType: "filesystem", ignoreKeys: tokenizer, logWarnings: false },
  });
  const found = key.split(".").reduce<unknown>((inside, name) => Object(inside)[name], metadata);
  return Array.isArray(found) ? found.map(Number) : null;
}
