// Text without line ends. Many vocabularies split text with std::regex, which recurses once per character: what the engine
// does not cut ends the process. Where it cuts, the tokens must be those of the whole.
import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import { describe, expect, test } from "vitest";
import { addon, load, spell } from "../helpers/addon.ts";
import { makeVocabularyModel, spellingVocabularies } from "../helpers/vocabulary.ts";

// Ways of splitting text that no vocabulary file here has: gpt-oss, Mistral, DeepSeek V3, Bloom and others.
const preTokenizers = ["gpt-4o", "tekken", "deepseek-v3", "bloom", "youtu", "exaone-moe"];

// Of one kind. Where text is split by recursion, a thread's stack has room for some 30,000.
const CHARACTERS = 200_000;
const OVERFLOWING = 50_000;
const words = Array.from({ length: CHARACTERS / 5 }, (_, i) => (i * 2654435761).toString(36).slice(1, 5)).join(" ");
const endless = ["a".repeat(CHARACTERS), "你".repeat(CHARACTERS), "\n".repeat(CHARACTERS), words];
const alsoEndless = [" ", "7", "=", "/\n", "a-"].map((text) => text.repeat(OVERFLOWING / text.length));

describe("text of one kind of character", () => {
  test.concurrent.each(spellingVocabularies)("is tokenized to its end by vocabulary %s", async (name) => {
    const model = await load(makeVocabularyModel(name));
    for (const text of [...endless, ...alsoEndless]) await spell(model, text);
    await model.dispose();
  });

  test.concurrent.each(preTokenizers)("is tokenized to its end where text is split as by %s", async (preTokenizer) => {
    const model = await load(makeVocabularyModel("gpt-2", preTokenizer));
    for (const text of [...endless, ...alsoEndless]) await spell(model, text.slice(0, OVERFLOWING));
    await model.dispose();
  });
});

describe("text that is cut because it has no line ends", () => {
  const prose =
    "It is a truth universally acknowledged, that a single man in possession of 1,000 pounds must want more. ";
  const code = 'if(a[i]!==b.c){x+=f(y)*2;}else{return"no"}';
  const chinese = "天地玄黄，宇宙洪荒。日月盈昃，辰宿列张；寒来暑往、秋收冬藏。";
  const spaced = `${"\n".repeat(9000)}end${"\t".repeat(9000)}${"  x".repeat(3000)}${"龘\0".repeat(3000)}${"</td>".repeat(2000)}`;
  const lines = [
    prose.repeat(100),
    code.repeat(250),
    chinese.repeat(200),
    (prose + chinese).repeat(80),
    `${prose}\n`.repeat(900),
  ];

  test.each(["llama-bpe", "deepseek-llm", "falcon", "starcoder", "mpt", "llama-spm", "baichuan"])(
    "has the tokens that llama.cpp gives the whole, with vocabulary %s",
    async (name) => {
      const path = makeVocabularyModel(name);
      const model = await load(path);
      const llama = await getLlama({ gpu: false, build: "never", progressLogs: false, logLevel: LlamaLogLevel.error });
      const other = await llama.loadModel({ modelPath: path, vocabOnly: true });
      for (const text of model.info().vocabularyType === "spm" ? [...lines, spaced] : lines) {
        const { tokens, offsets } = await spell(model, text);
        // A space that the vocabulary puts before a text is in both; a begin-of-sequence token is ours.
        const inText = tokens.filter((token, i) => offsets[2 * i + 1]! > 0 || token !== model.info().bosToken);
        expect(Array.from(inText)).toEqual(Array.from(other.tokenize(text)));
      }
      await llama.dispose();
      await model.dispose();
    },
  );
});

describe("a long text without an end to cut at, in a SentencePiece vocabulary", () => {
  const runs = ["\n", "\t", "\0", "龘鱻", "a line\n", "word "];

  test.each(["llama-spm"])("takes time in proportion, and can be stopped, with %s", async (name) => {
    const model = await load(makeVocabularyModel(name));
    for (const run of runs) {
      const text = run.repeat(2 ** 19 / Buffer.byteLength(run));
      const began = process.cpuUsage();
      await model.tokenize([{ text, special: false }]);
      const { user, system } = process.cpuUsage(began);
      // Quadratic time was more than twenty seconds.
      expect(user + system, JSON.stringify(run)).toBeLessThan(4e6);
    }
    const cancellation = new addon.Cancellation();
    const stopped = model.tokenize([{ text: "\n".repeat(2 ** 24), special: false }], cancellation);
    cancellation.cancel();
    await expect(stopped).rejects.toMatchObject({ code: "ABORTED" });
    await model.dispose();
  });
});
