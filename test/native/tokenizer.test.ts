// Every byte of a prompt must belong to a token, in order, whatever the vocabulary and whatever the text; and no text may
// become a special token.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BUILT_IN_MODEL } from "../../src/model/built-in.ts";
import type { NativeModel } from "../../src/native/addon-types.ts";
import { load, spell } from "../helpers/addon.ts";
import { makeVocabularyModel, rewritingVocabularies, spellingVocabularies } from "../helpers/vocabulary.ts";

const samples = {
  Latin: "The quick brown fox; naïve café — “quoted”, don't! x² ≠ 3.14",
  Cyrillic: "Съешь ещё этих мягких французских булок, да выпей чаю.",
  Chinese: "快速的棕色狐狸跳过了懒狗。「引号」",
  Japanese: "いろはにほへと、ちりぬるを。カタカナも",
  Korean: "다람쥐 헌 쳇바퀴에 타고파",
  Arabic: "نص حكيم له سر قاطع وذو شأن عظيم",
  Hindi: "ऋषियों को सताने वाले दुष्ट राक्षसों",
  Thai: "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า",
  emoji: "👩‍🔬👨‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇫🇷",
  "combining marks": "e\u0301\u0323 Z\u0351\u036b\u0343 A\u030a n\u0303o",
  "white space": "\t\ttabs\n\n\n\nlines\r\n\r\nspaces     and\u00a0no-break\u3000wide\u2003em \n ",
  "one space": " ",
  "one line end": "\n",
  "NUL characters": "\0before\0\0after\0",
  "control characters": "\u0001\u0007\u001b[31mred\u007f\u0085\u200b\ufeff",
  "lone surrogates": "a\ud800b\udc00c",
  "private use and unassigned": "\ue000\u{10ffff}\u{e0001}\u0378",
  "U+2581": "▁ ▁▁a ▁",
  digits: "12345678901234567890 ٣٤٥ Ⅷ ½",
  code: "for (let i = 0; i < n; i++) {\n\treturn `a[i]`; // x\n}\n",
};

const markers = [
  "<s>",
  "</s>",
  "<unk>",
  "<|eot_id|>",
  "<|im_start|>",
  "<|im_end|>",
  "<|endoftext|>",
  "<|begin_of_text|>",
  "<|start_header_id|>",
  "<start_of_turn>",
  "<|turn>",
  "<turn|>",
  "<|tool_call>",
  "<|user|>",
  "<|end|>",
  "<|START_OF_TURN_TOKEN|>",
  "<BOS_TOKEN>",
  "<｜begin▁of▁sentence｜>",
  ">>QUESTION<<",
  "[CLS]",
];

describe.each(spellingVocabularies)("vocabulary %s", (name) => {
  let model: NativeModel;
  beforeAll(async () => {
    model = await load(makeVocabularyModel(name));
  });
  afterAll(() => model.dispose());

  test.each(Object.entries(samples))("spells %s to the last byte", async (_, text) => {
    await spell(model, text);
    await spell(model, text.repeat(40));
  });

  test("takes special tokens in text for text", async () => {
    const special = new Set<number>();
    for (const marker of markers) {
      const { tokens, offsets } = await spell(model, marker, true);
      const whole = tokens.findIndex(
        (_, i) => offsets[2 * i] === 0 && offsets[2 * i + 1] === Buffer.byteLength(marker),
      );
      if (whole !== -1) special.add(tokens[whole]!);
    }
    expect(special.size).toBeGreaterThan(0);
    for (const text of [...markers, markers.join(""), `a${markers.join(" b ")}c`]) {
      const { tokens, offsets } = await spell(model, text);
      // A begin-of-sequence token that covers no byte is the vocabulary's own.
      expect(tokens.filter((token, i) => special.has(token) && offsets[2 * i + 1]! > 0)).toEqual(new Int32Array());
    }
  });
});

describe("user-defined tokens of chat models", () => {
  // As long as the names that they replace.
  const tokens = ["<tool_call>", "</thinking>", "[TOOLCALLS]"];
  const replaced = ["[PAD151646]", "[PAD151647]", "[PAD151648]"];

  test("are text in a document, and tokens in a template", async () => {
    const bytes = readFileSync(makeVocabularyModel("qwen2"));
    for (const [i, name] of tokens.entries()) bytes.write(name, bytes.indexOf(replaced[i]!), "utf8");
    const file = path.join(mkdtempSync(path.join(os.tmpdir(), "qrhead-")), "model.gguf");
    writeFileSync(file, bytes);
    const model = await load(file);
    for (const token of tokens) {
      const text = `a ${token} b`;
      expect((await spell(model, text)).tokens.length, token).toBeGreaterThan(4);
      const { offsets } = await spell(model, text, true);
      expect(Array.from(offsets), token).toContain(2 + token.length);
      expect((await spell(model, token, true)).tokens, token).toHaveLength(1);
    }
    await model.dispose();
    rmSync(path.dirname(file), { recursive: true });
  });
});

describe("the vocabulary of the built-in model, which has no tokens for some control characters", () => {
  let model: NativeModel;
  beforeAll(async () => {
    model = await load(BUILT_IN_MODEL);
  });
  afterAll(() => model.dispose());

  test("spells every character of Unicode's first part, and some of every other", async () => {
    for (const begin of [0, 0x1000, 0x2000, 0x10_000, 0x40_000, 0x9f_fff, 0xf0_000, 0x10f_000]) {
      const characters = Array.from({ length: 0x1000 }, (_, i) => String.fromCodePoint(begin + i));
      await spell(model, characters.join(""));
      await spell(model, characters.join(" a "));
    }
  });

  test("leaves out what it has no token for, at the beginning, in the middle and at the end, and nothing else", async () => {
    for (const dropped of ["\u0004", "\u0006", "\u0013\u0014", "\u0016\u001d\u0004"]) {
      const plain = await spell(model, "tower");
      for (const text of [`${dropped}tower`, `tower${dropped}`]) {
        expect((await spell(model, text)).tokens, JSON.stringify(text)).toEqual(plain.tokens);
      }
      // Alone it has no token, and the two parts are tokens of their own.
      const alone = await model.tokenize([{ text: dropped, special: false }]);
      expect(alone.tokens).toEqual((await spell(model, "")).tokens);
      const parts = [...(await spell(model, "to")).tokens, ...(await spell(model, "wer")).tokens.slice(1)];
      expect([...(await spell(model, `to${dropped}wer`)).tokens]).toEqual(parts);
    }
  });
});

describe("a vocabulary that rewrites text", () => {
  test.each(rewritingVocabularies)("%s is refused", async (name) => {
    const model = await load(makeVocabularyModel(name));
    await expect(spell(model, "Hello")).rejects.toMatchObject({ code: "TOKENIZER_UNSUPPORTED" });
    await model.dispose();
  });
});
