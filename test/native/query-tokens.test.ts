// A query is tokenized behind the end of the documents alone. Its tokens must be those of the whole prompt, whatever the
// vocabulary and the texts.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { NativeModel } from "../../src/native/addon-types.ts";
import { buildPrompt, type PromptPiece } from "../../src/prompt/build.ts";
import { layOutQuery, layOutTrunk } from "../../src/prompt/layout.ts";
import { type PromptProfile, selectProfile } from "../../src/prompt/profiles.ts";
import { load } from "../helpers/addon.ts";
import { identity } from "../helpers/identity.ts";
import { anyText } from "../helpers/texts.ts";
import { makeVocabularyModel, spellingVocabularies } from "../helpers/vocabulary.ts";

const names = { ...identity(), bosText: "<s>", eosText: "</s>" };
const profiles: PromptProfile[] = [
  ...(["llama3", "qwen2.5", "plain"] as const).map((name) => selectProfile(name, names)),
  {
    ...selectProfile("plain", names),
    name: "template",
    prefix: "<|user|>\n",
    suffix: "</s>\n",
    separator: "\n\n",
    trimStart: true,
    trimEnd: true,
  },
];
const prose =
  "The Nile flows north and reaches the sea in a wide delta; nobody has counted its channels, which change every year. ";
const queries = [
  "Which river carries most water?",
  "  spaces around  ",
  "\n\nline\nbreaks\n\n",
  "天空是蓝色的吗？",
  "👩‍👩‍👧 and e\u0301",
  "<|eot_id|> [1] Query: none </s>",
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
  "long ".repeat(1200),
];
/** How the documents end decides where their last token does. */
const endings = [
  "",
  " ",
  "\n",
  "\n\n\n",
  "\t",
  "…",
  "a",
  "7",
  "''",
  "'",
  "。",
  " \n \n",
  "  ".repeat(200),
  "e\u0301",
  "x".repeat(700),
];

describe.each(spellingVocabularies)("the vocabulary %s", (name) => {
  let model: NativeModel;
  let bytes: number[];
  const tokenize = (pieces: PromptPiece[]) => {
    bytes.push(pieces.reduce((sum, { text }) => sum + text.length, 0));
    return model.tokenize(pieces);
  };
  beforeAll(async () => {
    model = await load(makeVocabularyModel(name));
    bytes = [];
  });
  afterAll(() => model.dispose());

  /** Texts that the vocabulary cannot spell are refused in either way. */
  async function expectWhole(profile: PromptProfile, documents: { text: string }[], asked: readonly string[]) {
    for (const query of asked) {
      const whole = model.tokenize(buildPrompt(profile, documents, query).pieces);
      const laid = layOutTrunk(tokenize, profile, documents).then(async (trunk) => [
        ...trunk.tokens,
        ...(await layOutQuery(tokenize, trunk, query)),
      ]);
      const refused = (error: { code: string }) => error.code;
      const [expected, actual] = [whole.then(({ tokens }) => [...tokens]).catch(refused), laid.catch(refused)];
      expect(await actual).toEqual(await expected);
    }
  }

  test("tokenizes queries of many kinds behind documents of many ends", async () => {
    for (const profile of profiles) {
      for (const ending of endings) await expectWhole(profile, [{ text: prose.repeat(6) + ending }], queries);
    }
  });

  test("tokenizes any query behind any documents", async () => {
    const texts = fc.array(anyText, { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        texts,
        fc.array(anyText, { maxLength: 3 }),
        fc.constantFrom(...profiles),
        (given, asked, profile) =>
          expectWhole(
            profile,
            given.map((text) => ({ text: prose + text })),
            asked,
          ),
      ),
      { numRuns: 60 },
    );
  });

  test("does not tokenize the documents again", async () => {
    const documents = [{ text: prose.repeat(100) }];
    const trunk = await layOutTrunk(tokenize, profiles[0]!, documents);
    bytes = [];
    for (const query of queries) await layOutQuery(tokenize, trunk, query);
    expect(bytes.map((size, index) => size - queries[index]!.length < 1000)).toEqual(queries.map(() => true));
  });
});
