// Every byte of a prompt must belong to a token, in order, whatever the vocabulary and whatever the text; and no text may
// become a special token or end the process.
import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { NativeModel, Tokenization } from "../../src/native/addon-types.ts";
import { load } from "../helpers/addon.ts";
import { makeVocabularyModel, vocabularyNames, vocabularyPath } from "../helpers/vocabulary.ts";

// BERT's and T5's kinds of vocabulary rewrite text; the engine refuses them.
const rewriting = ["bert-bge", "nomic-bert-moe"];
const spelling = vocabularyNames.filter((name) => !rewriting.includes(name));
// Ways of splitting text that no vocabulary file here has: gpt-oss, Mistral, DeepSeek V3, Bloom and others.
const preTokenizers = ["gpt-4o", "tekken", "deepseek-v3", "bloom", "viking", "youtu", "exaone-moe", "minicpm5", "afmoe"];

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
  code: "for (let i = 0; i < n; i++) {\n\treturn `${a[i]}`; // x\n}\n",
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

async function spell(model: NativeModel, text: string, special = false): Promise<Tokenization> {
  const result = await model.tokenize([{ text, special }]);
  let cursor = 0;
  for (let i = 0; i < result.tokens.length; i++) {
    if (result.offsets[2 * i] !== cursor) throw new Error(`Expected token ${i} at byte ${cursor}: ${result.offsets[2 * i]}`);
    cursor = result.offsets[2 * i + 1]!;
  }
  expect(cursor).toBe(Buffer.byteLength(text));
  return result;
}

// Of one kind, longer than a thread's stack has room for where text is split by recursion.
const CHARACTERS = 200_000;
const words = Array.from({ length: CHARACTERS / 5 }, (_, i) => (i * 2654435761).toString(36).slice(1, 5)).join(" ");
const endless: Record<string, string> = {
  letters: "a".repeat(CHARACTERS),
  "Chinese characters": "你".repeat(CHARACTERS),
  "line ends": "\n".repeat(CHARACTERS),
  words,
  spaces: " ".repeat(CHARACTERS / 2),
  digits: "7".repeat(CHARACTERS / 2),
  signs: "=".repeat(CHARACTERS / 2),
  slashes: "/\n".repeat(CHARACTERS / 4),
};

describe.each(spelling)("vocabulary %s", (name) => {
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
      const whole = tokens.findIndex((_, i) => offsets[2 * i] === 0 && offsets[2 * i + 1] === Buffer.byteLength(marker));
      if (whole !== -1) special.add(tokens[whole]!);
    }
    expect(special.size).toBeGreaterThan(0);
    for (const text of [...markers, markers.join(""), `a${markers.join(" b ")}c`]) {
      const { tokens, offsets } = await spell(model, text);
      // A begin-of-sequence token that covers no byte is the vocabulary's own.
      expect(tokens.filter((token, i) => special.has(token) && offsets[2 * i + 1]! > 0)).toEqual(new Int32Array());
    }
  });

  test("survives two hundred thousand characters of one kind", async () => {
    for (const text of Object.values(endless)) await spell(model, text);
  });
});

describe.each(preTokenizers)("text split as by %s", (preTokenizer) => {
  test("survives a hundred thousand characters of one kind", async () => {
    const model = await load(makeVocabularyModel("gpt-2", preTokenizer));
    for (const text of Object.values(endless)) await spell(model, text.slice(0, CHARACTERS / 2));
    await model.dispose();
  });
});

describe("a vocabulary that rewrites text", () => {
  test.each(rewriting)("%s is refused", async (name) => {
    const model = await load(makeVocabularyModel(name));
    await expect(spell(model, "Hello")).rejects.toMatchObject({ code: "TOKENIZER_UNSUPPORTED" });
    await model.dispose();
  });
});

describe("text that is cut because it has no line ends", () => {
  const prose = "It is a truth universally acknowledged, that a single man in possession of 1,000 pounds must want more. ";
  const code = "if(a[i]!==b.c){x+=f(y)*2;}else{return\"no\"}";
  const chinese = "天地玄黄，宇宙洪荒。日月盈昃，辰宿列张；寒来暑往、秋收冬藏。";
  const lines = { prose: prose.repeat(200), code: code.repeat(500), chinese: chinese.repeat(400), mixed: (prose + chinese).repeat(150) };
  const bytePairs = spelling.filter((name) => !["baichuan", "llama-spm", "phi-3"].includes(name));

  test.each(bytePairs)("has the tokens of the whole, with vocabulary %s", async (name) => {
    const model = await load(makeVocabularyModel(name));
    const llama = await getLlama({ gpu: false, build: "never", progressLogs: false, logLevel: LlamaLogLevel.error });
    const other = await llama.loadModel({ modelPath: vocabularyPath(name), vocabOnly: true });
    for (const text of Object.values(lines)) {
      const { tokens, offsets } = await spell(model, text);
      const inText = tokens.filter((_, i) => offsets[2 * i + 1]! > 0);
      expect(Array.from(inText)).toEqual(Array.from(other.tokenize(text, false, "trimLeadingSpace")));
    }
    await other.dispose();
    await model.dispose();
  });
});
