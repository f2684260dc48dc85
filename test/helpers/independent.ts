// A second implementation of ranking, to compare with: the prompt from its published bytes, tokens from node-llama-cpp's
// tokenizer, places of tokens from the vocabulary in the GGUF, attention from the reference forward pass. It imports
// nothing of src/prompt and src/ranking/scoring.
import { gguf } from "@huggingface/gguf";
import { getLlama, type Llama, LlamaLogLevel } from "node-llama-cpp";
import type { Head } from "../../src/types.ts";
import { modelPath } from "./models.ts";
import { loadReference, type ReferenceModel } from "./reference/model.ts";
import { referenceMeans } from "./reference/scores.ts";

/** What stands around the published text; `trimmed` as some chat templates do with a message. */
export type Wrapping = { prefix: string; suffix: string; separator: string; trimmed?: boolean };

export const wrappings = {
  llama3: {
    prefix: "<|start_header_id|>user<|end_header_id|>",
    suffix: "<|eot_id|><|start_header_id|>assistant<|end_header_id|>",
    separator: " \n\n",
  },
  qwen25: { prefix: "<|im_start|>user", suffix: "<|im_end|>\n<|im_start|>assistant", separator: "\n\n" },
  plain: { prefix: "", suffix: "", separator: "\n\n" },
  /** The chat template of tiny-llama, on its fixed date. */
  llamaTemplate: {
    prefix:
      "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n" +
      "Today Date: 26 Jul 2024\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n",
    suffix: "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    separator: "\n\n",
    trimmed: true,
  },
  qwenTemplate: {
    prefix:
      "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n" +
      "<|im_start|>user\n",
    suffix: "<|im_end|>\n<|im_start|>assistant\n",
    separator: "\n\n",
  },
} satisfies Record<string, Wrapping>;

/** A document of a prompt. Any title is a line of its own, an empty one too, as in the published code. */
export type Passage = { title?: string; text: string };

/** The prompt's characters (code points), and `[first, last]` of every document and of the query among them. */
type Written = { characters: string[]; documents: [number, number][]; query: [number, number] };

function write(wrapping: Wrapping, passages: readonly Passage[], query: string): Written {
  const { prefix, suffix, separator, trimmed = false } = wrapping;
  const shown = passages.map(({ title, text }, i) => `[${i + 1}] ${title === undefined ? "" : `${title}\n`}${text}`);
  const ending = [
    "Please find information that are relevant to the following query in the paragraphs above.",
    `Query: ${query}`,
  ].join(separator);
  const message = [" Here are some paragraphs:", ...shown, ending].join(separator);
  const text = prefix + (trimmed ? message.trim() : message) + suffix;

  // Search from the end of the last find: a document may occur within another.
  let from = 0;
  const find = (part: string): [number, number] => {
    const at = text.indexOf(part, from);
    from = at + part.length;
    const first = [...text.slice(0, at)].length;
    return [first, first + [...part].length - 1];
  };
  const documents = shown.map(find);
  const [queryFirst] = find("Please find");
  const characters = [...text];
  return { characters, documents, query: [queryFirst, characters.length - 1] };
}

/** The bytes that the 256 printable characters of GPT-2's vocabulary stand for. */
function byteAlphabet(): Map<string, number> {
  const printable = (byte: number) => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 256;
  return new Map(
    Array.from({ length: 256 }, (_, byte) => [String.fromCodePoint(printable(byte) ? byte : next++), byte]),
  );
}

/** A model's weights and vocabulary, for ranking without the engine. */
export type IndependentModel = {
  weights: ReferenceModel;
  /** Tokens of a text in which special tokens are recognised, begin-of-sequence included, and the bytes of each. */
  tokenize: (text: string) => { ids: number[]; bytes: Uint8Array[] };
  dispose: () => Promise<void>;
};

let llama: Promise<Llama> | undefined;

export async function loadIndependent(name: string): Promise<IndependentModel> {
  const file = modelPath(name);
  const parsed = await gguf(file, { allowLocalFile: true });
  const metadata = parsed.metadata as unknown as Record<string, unknown>;
  const texts = metadata["tokenizer.ggml.tokens"] as string[];
  const types = metadata["tokenizer.ggml.token_type"] as number[];
  const bytePairs = metadata["tokenizer.ggml.model"] === "gpt2";
  const begin = metadata["tokenizer.ggml.add_bos_token"] ?? metadata["tokenizer.ggml.pre"] !== "qwen2";
  const alphabet = byteAlphabet();

  const bytesOf = (id: number): Uint8Array => {
    const text = texts[id]!;
    // 1 is a normal token, 6 a single byte of SentencePiece.
    if (bytePairs && types[id] === 1) return Uint8Array.from([...text], (character) => alphabet.get(character)!);
    if (types[id] === 6) return Uint8Array.of(Number.parseInt(text.slice(1, -1), 16));
    return Buffer.from(types[id] === 1 ? text.replaceAll("\u2581", " ") : text);
  };

  llama ??= getLlama({ gpu: false, build: "never", progressLogs: false, logLevel: LlamaLogLevel.error });
  const vocabulary = await (await llama).loadModel({ modelPath: file, vocabOnly: true });
  return {
    weights: loadReference(file),
    tokenize(text) {
      const ids = vocabulary.tokenize(text, true).map(Number);
      const bytes = ids.map(bytesOf);
      const bos = Number(vocabulary.tokens.bos);
      if (begin && ids[0] !== bos) {
        ids.unshift(bos);
        bytes.unshift(new Uint8Array());
      }
      return { ids, bytes };
    },
    dispose: () => vocabulary.dispose(),
  };
}

/** The last token that covers each character: what the published code takes for a character's token. */
function tokenOfCharacters(characters: readonly string[], bytes: readonly Uint8Array[]): number[] {
  const text = Buffer.from(characters.join(""));
  const spelled = Buffer.concat(bytes);
  // SentencePiece puts a space in front of the whole.
  const shift = spelled.length - text.length;
  const agrees = shift === 0 || (shift === 1 && spelled[0] === 0x20);
  if (!agrees || !spelled.subarray(shift).equals(text)) throw new Error("Expected the tokens to spell the prompt");

  const tokenOfByte = bytes.flatMap((part, token) => Array<number>(part.length).fill(token)).slice(shift);
  let at = 0;
  return characters.map((character) => {
    at += Buffer.byteLength(character);
    return tokenOfByte[at - 1]!;
  });
}

/** Everything that a ranking can be compared with. Spans are half-open, in tokens. */
export type IndependentLayout = { tokens: number[]; documents: [number, number][]; query: [number, number] };

export function layOut(
  model: IndependentModel,
  wrapping: Wrapping,
  passages: readonly Passage[],
  query: string,
): IndependentLayout {
  const written = write(wrapping, passages, query);
  const { ids, bytes } = model.tokenize(written.characters.join(""));
  const tokenOf = tokenOfCharacters(written.characters, bytes);
  const span = ([first, last]: [number, number]): [number, number] => [tokenOf[first]!, tokenOf[last]! + 1];
  return { tokens: ids, documents: written.documents.map(span), query: span(written.query) };
}

export type Settings = {
  passages: readonly Passage[];
  query: string;
  nullQuery: string;
  heads: readonly Head[];
  calibration: boolean;
  mask: boolean;
  order: "given" | "reverse";
};

/** In the order of the passages, whatever their order in the prompt. */
export type IndependentRanking = {
  scores: number[];
  headScores: number[][];
  /** Attention on each document, per head: the query's plus the null query's. What a rounding error is to be measured by. */
  masses: number[][];
  tokenScores: { score: number; kept: boolean }[][];
  ranking: number[];
  usage: { promptTokens: number; queryTokens: number; documentTokens: number[] };
  /** Of each document, how far the token nearest to the outlier threshold is from it. Larger rounding may flip that token. */
  margins: number[];
};

/** A ranker that remembers attention, which is what takes time. */
export function independentRanker(
  model: IndependentModel,
  wrapping: Wrapping,
): (settings: Settings) => IndependentRanking {
  const { layers, heads: perLayer } = model.weights;
  const known = new Map<string, Float64Array[]>();
  const meansOf = (prefix: number[], suffix: number[]): Float64Array[] => {
    const key = `${prefix.join()}|${suffix.join()}`;
    const means = known.get(key) ?? referenceMeans(model.weights, prefix, suffix);
    known.set(key, means);
    return means;
  };

  return ({ passages, query, nullQuery, heads, calibration, mask, order }) => {
    const shown = order === "reverse" ? passages.toReversed() : passages;
    const own = layOut(model, wrapping, shown, query);
    const none = layOut(model, wrapping, shown, nullQuery);
    const [queryBegin, queryEnd] = own.query;
    const prefix = own.tokens.slice(0, queryBegin);
    const attention = meansOf(prefix, own.tokens.slice(queryBegin, queryEnd));
    const baseline = calibration ? meansOf(prefix, none.tokens.slice(none.query[0], none.query[1])) : undefined;
    const chosen = heads.map(([layer, head]) => layer * perLayer + head);
    if (chosen.some((row) => row >= layers * perLayer)) throw new Error("Expected heads that the model has");

    const byPosition = own.documents.map(([begin, end]) => {
      const ofHeads = chosen.map((row) => {
        const [values, subtracted] = [attention[row]!, baseline ? baseline[row]! : undefined];
        return Array.from(
          { length: end - begin },
          (_, i) => values[begin + i]! - (subtracted ? subtracted[begin + i]! : 0),
        );
      });
      const sums = Array.from({ length: end - begin }, (_, i) => ofHeads.reduce((sum, values) => sum + values[i]!, 0));
      const mean = sums.reduce((sum, value) => sum + value, 0) / sums.length;
      const variance = sums.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (sums.length - 1);
      const threshold = mean - 2 * Math.sqrt(variance);
      const margin = mask ? Math.min(...sums.map((value) => Math.abs(value - threshold))) : Number.POSITIVE_INFINITY;
      const tokens = sums.map((score) => ({ score, kept: !mask || score > threshold }));
      const keptSum = (values: number[]) => values.reduce((sum, value, i) => (tokens[i]!.kept ? sum + value : sum), 0);
      const massOf = (row: number) =>
        sum(attention[row]!, begin, end) + (baseline ? sum(baseline[row]!, begin, end) : 0);
      const perHead = ofHeads.map(keptSum);
      return { tokens, score: keptSum(sums), perHead, masses: chosen.map(massOf), margin, length: end - begin };
    });
    const inOrder = order === "reverse" ? byPosition.toReversed() : byPosition;
    const scores = inOrder.map(({ score }) => score);
    return {
      scores,
      headScores: inOrder.map(({ perHead }) => perHead),
      masses: inOrder.map(({ masses }) => masses),
      tokenScores: inOrder.map(({ tokens }) => tokens),
      ranking: scores.map((_, index) => index).sort((a, b) => scores[b]! - scores[a]! || a - b),
      usage: {
        promptTokens: own.tokens.length,
        queryTokens: queryEnd - queryBegin,
        documentTokens: inOrder.map(({ length }) => length),
      },
      margins: inOrder.map(({ margin }) => margin),
    };
  };
}

function sum(values: Float64Array, begin: number, end: number): number {
  return values.subarray(begin, end).reduce((total, value) => total + value, 0);
}
