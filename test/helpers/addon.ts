// The raw addon on the CPU, as the native tests drive it.
import type {
  Addon,
  Cancellation,
  NativeAttention,
  NativeContext,
  NativeContextOptions,
  NativeModel,
  Tokenization,
} from "../../src/native/addon-types.ts";
import { loadLibrary } from "../../src/native/library.ts";
import { modelPath } from "./models.ts";

export const addon: Addon = (await loadLibrary({ gpu: false })).addon;

/** Cancels nothing. */
export const never: Cancellation = new addon.Cancellation();

/** A model by its test name, or by its path. */
export function load(model: string, options: { checkTensors?: boolean } = {}): Promise<NativeModel> {
  const path = model.includes("/") || model.includes("\\") ? model : modelPath(model);
  return addon.loadModel({ path, gpuLayers: 0, useMmap: true, ...options }, never);
}

/** Every head, layer by layer. */
export function everyHead({ layers, heads }: { layers: number; heads: number }): Int32Array {
  return Int32Array.from({ length: 2 * layers * heads }, (_, i) =>
    i % 2 ? ((i - 1) / 2) % heads : Math.floor(i / 2 / heads),
  );
}

/** All heads, one ubatch, one thread: ggml's threads spin while they wait, which tests that run side by side punish. */
export function createContext(
  model: NativeModel,
  options: Partial<NativeContextOptions> = {},
  cancellation?: Cancellation,
): Promise<NativeContext> {
  const all = {
    contextSize: 1024,
    batchSize: 512,
    threads: 1,
    cacheTypeK: "f16",
    cacheTypeV: "f16",
    flashAttention: true,
    offloadKqv: false,
    heads: everyHead(model.info()),
    earlyStop: true,
    ...options,
  };
  return model.createContext(all, cancellation);
}

export async function tokensOf(model: NativeModel, text: string): Promise<Int32Array> {
  return (await model.tokenize([{ text, special: false }])).tokens;
}

export type TokenPrompt = { documents: Int32Array; query: Int32Array };

/** The tokens of a text, the last `queryTokens` of them as the query. */
export async function promptOf(model: NativeModel, text: string, queryTokens: number): Promise<TokenPrompt> {
  const tokens = await tokensOf(model, text);
  return { documents: tokens.slice(0, -queryTokens), query: tokens.slice(-queryTokens) };
}

export function rowsOf(attention: NativeAttention): Float32Array[] {
  return Array.from({ length: attention.rows }, (_, index) => attention.row(index));
}

/** Attention of one branch, a row per head. */
export async function observeHeads(
  context: NativeContext,
  branch: Int32Array,
  cancellation = never,
): Promise<NativeAttention> {
  return (await context.observe([branch], { rows: "heads" }, cancellation))[0]!;
}

/** Mean attention of the query's tokens, one row per head, from a context of its own. */
export async function capture(
  model: NativeModel,
  prompt: TokenPrompt,
  options: Partial<NativeContextOptions> = {},
): Promise<Float32Array[]> {
  const context = await createContext(model, options);
  try {
    await context.prefill(prompt.documents, never);
    return rowsOf(await observeHeads(context, prompt.query));
  } finally {
    await context.dispose();
  }
}

/** Largest difference of any two entries. */
export function largestDifference(a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[]): number {
  if (a.length !== b.length) throw new Error(`Expected ${a.length} rows but received ${b.length}`);
  let largest = 0;
  for (const [index, row] of a.entries()) {
    if (row.length !== b[index]!.length)
      throw new Error(`Expected ${row.length} columns but received ${b[index]!.length}`);
    for (let t = 0; t < row.length; t++) largest = Math.max(largest, Math.abs(row[t]! - b[index]![t]!));
  }
  return largest;
}

export const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((total, value) => total + value, 0);

/** More than two hundred tokens in several scripts. */
export const passages = [
  "\n\n[1] Capitals\nParis has been the capital of France since 987; Lyon was a capital of Gaul.",
  "\n\n[2] Столицы\nМосква — столица России, а Париж — столица Франции.",
  "\n\n[3] 首都\n巴黎是法国的首都，东京是日本的首都。パリはフランスの首都です。",
  "\n\n[4] عواصم\nباريس عاصمة فرنسا، وروما عاصمة إيطاليا.",
  "\n\n[5] Hauptstädte\nBerlin ist seit 1990 wieder die Hauptstadt Deutschlands; zuvor war es Bonn am Rhein.",
  "\n\n[6] Café crème 👩‍🔬 costs 3.50 € — naïve, e\u0301, x² + y² = z².",
  "\n\n[7] ราชธานี\nกรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย",
  "\n\nQuery: What is the capital of France?",
].join("");

/**
 * Tokenizes one piece.
 * @throws when a byte of the text belongs to no token, or to two
 */
export async function spell(model: NativeModel, text: string, special = false): Promise<Tokenization> {
  const result = await model.tokenize([{ text, special }]);
  let cursor = 0;
  for (let i = 0; i < result.tokens.length; i++) {
    const [begin, end] = [result.offsets[2 * i]!, result.offsets[2 * i + 1]!];
    if (begin !== cursor || end < begin)
      throw new Error(`Expected token ${i} at byte ${cursor} but received [${begin}, ${end})`);
    cursor = end;
  }
  const bytes = Buffer.byteLength(text);
  if (cursor !== bytes) throw new Error(`Expected ${bytes} bytes of text in tokens but received ${cursor}`);
  return result;
}
