// Whether texts become the tokens that the model was trained on: ids against the tokenizer libraries.
//   python bench/parity/tokens.py --texts TEXTS.json --output IDS.json smollm2=SMOLLM2.gguf gemma3=GEMMA3.gguf
//   npx tsx bench/parity/tokens.ts IDS.json smollm2=SMOLLM2.gguf gemma3=GEMMA3.gguf
// test/real/token-ids.json is what the first makes of texts.json.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { loadModel } from "../../src/model/model.ts";

const { positionals } = parseArgs({ allowPositionals: true });
const [file, ...models] = positionals;
if (!file || models.length === 0) throw new Error("Expected a file of ids, and NAME=MODEL.gguf");
const expected = JSON.parse(readFileSync(file, "utf8")) as { texts: string[] } & Record<string, number[][]>;
for (const named of models) {
  const [name, model] = [named.slice(0, named.indexOf("=")), named.slice(named.indexOf("=") + 1)];
  const { native, info } = await loadModel({ model, gpu: false });
  let different = 0;
  let tokens = 0;
  for (const [index, text] of expected.texts.entries()) {
    const found = await native.tokenize([{ text, special: false }]);
    const ids = Array.from(found.tokens).slice(info.addBos ? 1 : 0);
    tokens += ids.length;
    if (String(ids) === String(expected[name]![index])) continue;
    if (different++ < 5) console.log(`${name}, text ${index}: ${JSON.stringify(text).slice(0, 200)}`);
  }
  console.log(`${name}: ${different} of ${expected.texts.length} texts differ, ${tokens} tokens`);
  await native.dispose();
}
