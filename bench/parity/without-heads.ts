// Whether a model without some of its heads computes what it should: logits against the transformers library in float32.
//   npx tsx bench/parity/agree.ts prompt MODEL.gguf PROMPT.json
//   python bench/parity/without_heads.py --model MODEL.gguf --prompt PROMPT.json --heads 13-18,13-21 --output LOGITS.json
//   npx tsx bench/parity/without-heads.ts F32.gguf PROMPT.json LOGITS.json
// F32.gguf is what attention.py writes with --float-model. Differences are parts of the largest logit.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { loadModel } from "../../src/model/model.ts";
import { largestOf } from "../../src/util/extremes.ts";

const { positionals } = parseArgs({ allowPositionals: true });
const [model, promptFile, logitsFile] = positionals;
if (!model || !promptFile || !logitsFile) throw new Error("Expected a model, a file of the prompt and one of logits");

type Expected = { transformers: string; heads: [number, number][]; whole: number[]; without: number[] };
const prompt: { documents: number[]; query: number[] } = JSON.parse(readFileSync(promptFile, "utf8"));
const expected: Expected = JSON.parse(readFileSync(logitsFile, "utf8"));
const tokens = Int32Array.from([...prompt.documents, ...prompt.query]);
const { native, library } = await loadModel({ model, gpu: false });
const never = new library.addon.Cancellation();
const sampling = { temperature: 0, topK: 0, topP: 1, seed: 0, repeatPenalty: 1, afresh: true };

const differenceOf = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  const scale = largestOf(Array.from(b, Math.abs));
  return (largestOf(Array.from(a, (value, index) => Math.abs(value - b[index]!))) / scale).toExponential(2);
};

console.log(`${tokens.length} tokens, ${expected.heads.length} heads taken out, transformers ${expected.transformers}`);
console.log(`what it changes: ${differenceOf(expected.without, expected.whole)}`);
for (const [flashAttention, cacheType] of [
  [false, "f32"],
  [true, "f32"],
  [true, "f16"],
] as const) {
  const found: string[] = [];
  for (const [heads, right] of [
    [[], expected.whole],
    [expected.heads, expected.without],
  ] as const) {
    const writer = await native.createWriter({
      ...{ contextSize: tokens.length + 8, batchSize: 128, threads: 1, flashAttention, offloadKqv: false },
      ...{ cacheTypeK: cacheType, cacheTypeV: cacheType, withoutHeads: Int32Array.from(heads.flat()) },
    });
    await writer.read(tokens, sampling, never);
    found.push(differenceOf(writer.promptLogits(), right));
    await writer.dispose();
  }
  const way = `flash attention ${flashAttention ? "on" : "off"}, cache ${cacheType}`;
  console.log(`${way}: whole model ${found[0]}, without the heads ${found[1]}`);
}
await native.dispose();
