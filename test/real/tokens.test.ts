// Texts of many kinds become the tokens that Hugging Face's tokenizers and SentencePiece make of them with the vocabulary of
// the same file: bench/parity/tokens.py wrote what is expected.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { loadModel } from "../../src/model/model.ts";
import { hasReal, REAL_MODELS } from "../helpers/real-models.ts";

const file = new URL("token-ids.json", import.meta.url);
const expected = JSON.parse(readFileSync(file, "utf8")) as Record<keyof typeof REAL_MODELS, number[][]> & {
  texts: string[];
};

describe.each(["smollm2", "gemma3"] as const)("%s", (name) => {
  test.skipIf(!hasReal(name))("tokenizes as the library that it was trained with", async () => {
    const { native, info } = await loadModel({ model: REAL_MODELS[name], gpu: false });
    expect(expected.texts.length).toBeGreaterThan(40);
    for (const [index, text] of expected.texts.entries()) {
      const { tokens } = await native.tokenize([{ text, special: false }]);
      expect([text, ...tokens.slice(info.addBos ? 1 : 0)]).toEqual([text, ...expected[name][index]!]);
    }
    await native.dispose();
  });
});
