// Results of ranking in windows, for every rule, with scores that are nothing but noise of a document's company.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Progress } from "../../src/options.ts";
import type { PromptLayout, Trunk } from "../../src/prompt/layout.ts";
import type { Standing } from "../../src/ranking/results.ts";
import { rankDocuments } from "../../src/ranking/scoring/ranking.ts";
import { MERGE_RULES, type MergeRule, type WindowOptions } from "../../src/ranking/windows/options.ts";
import { rankInWindows, type WindowEngine } from "../../src/ranking/windows/rank.ts";
import type { RankDocument, Span } from "../../src/types.ts";

type Call = Parameters<typeof rankInWindows>[4];

const FRONT = 3;
const NUMBER = 2;
const QUERY = 4;

const WORD = / ?[^ ]+/g;
const words = (text: string) => [...text.matchAll(WORD)].length;

/** Tokens are words. Scores depend on all that stands in a window, and are often equal. */
function engineOf(limit: number) {
  const prompts: number[] = [];
  const layOut = (documents: readonly RankDocument[]): PromptLayout => {
    const offsets = new Array<number>(2 * FRONT).fill(0);
    const documentSpans: Span[] = [];
    const byteSpans: Span[] = [];
    let text = "";
    for (const document of documents) {
      const begin = offsets.length / 2;
      const textBegin = text.length;
      for (let i = 0; i < NUMBER; i++) offsets.push(textBegin, textBegin);
      for (const { index, 0: word } of document.text.matchAll(WORD)) {
        offsets.push(textBegin + index, textBegin + index + word.length);
      }
      text += document.text;
      documentSpans.push([begin, offsets.length / 2]);
      byteSpans.push([textBegin, text.length]);
    }
    const trunk: Trunk = {
      key: "",
      sources: documents,
      tokens: new Int32Array(offsets.length / 2),
      offsets: Uint32Array.from(offsets),
      text: Buffer.from(text),
      documentSpans,
      byteSpans,
      joint: undefined as never,
    };
    return { trunk, query: new Int32Array(QUERY), nullQuery: null };
  };
  const rankAll = async (documents: readonly RankDocument[], ...options: [WindowOptions, Call]) => {
    const standing = await rankInWindows(
      engine,
      {
        documents: documents.map((document) => ({ ...document, truncated: false })),
        positions: documents.map((_, index) => index),
        trunk: layOut(documents).trunk,
      },
      layOut(documents),
      ...options,
    );
    return { ...standing, results: standing.order.map(standing.describe) };
  };
  const engine: WindowEngine = {
    limit,
    rank: async (documents): Promise<Standing> => {
      const company = hash(documents.map(({ text }) => text).join("|"));
      const scores = documents.map(({ text }) => (hash(`${company}${text}`) % 7) - 2);
      const promptTokens = layOut(documents).trunk.tokens.length + QUERY;
      prompts.push(promptTokens);
      return {
        query: "",
        heads: [
          [0, 0],
          [0, 1],
        ],
        order: rankDocuments(scores),
        describe: (index) => ({
          index,
          id: documents[index]!.id,
          score: scores[index]!,
          headScores: [scores[index]! / 4, (scores[index]! * 3) / 4],
        }),
        odds: scores.map((score) => score / 10),
        rawOdds: documents.map(({ text }) => words(text)),
        usage: { promptTokens, queryTokens: QUERY, documentTokens: [] },
        timings: { loadMs: 0, prefillMs: 0, nullMs: 0, queryMs: 0, totalMs: 0 },
        warnings: [],
      };
    },
  };
  return { rankAll, prompts };
}

function hash(text: string): number {
  let value = 17;
  for (const character of text) value = (value * 31 + character.charCodeAt(0)) % 1_000_003;
  return value;
}

const texts = fc.array(
  fc
    .integer({ min: 1, max: 60 })
    .chain((count) => fc.array(fc.constantFrom("sea.", "a", "ship", "far"), { minLength: count, maxLength: count })),
  { minLength: 1, maxLength: 25 },
);

test.each(MERGE_RULES)("%s: sorted by score, every document once, the same each time", async (merge: MergeRule) => {
  await fc.assert(
    fc.asyncProperty(
      texts,
      fc.integer({ min: 40, max: 120 }),
      fc.integer({ min: 2, max: 8 }),
      async (given, limit, windowDocuments) => {
        const documents = given.map((words, index) => ({ id: `d${index}`, text: words.join(" ") }));
        const { rankAll, prompts } = engineOf(limit);
        const rank = () => rankAll(documents, { merge, windowDocuments }, {});
        const { results, windows, usage, odds, rawOdds } = await rank();
        expect(windows).toMatchObject({ merge, count: prompts.length });
        expect(usage.promptTokens).toBe(prompts.reduce((sum, tokens) => sum + tokens, 0));
        for (const tokens of prompts) expect(tokens).toBeLessThanOrEqual(limit);

        const inOrder = results.toSorted((a, b) => b.score - a.score || a.index - b.index);
        expect(results).toEqual(inOrder);
        expect(results.map(({ id }) => id).sort()).toEqual(documents.map(({ id }) => id).sort());
        for (const { index, id, score, headScores, passages } of results) {
          expect(id).toBe(`d${index}`);
          expect(headScores!.reduce((sum, value) => sum + value, 0)).toBeCloseTo(score, 9);
          if (!passages) continue;
          expect(passages[0]!.score).toBe(score);
          expect(passages).toEqual(passages.toSorted((a, b) => b.score - a.score));
          for (const { begin, end } of passages) expect(documents[index]!.text.slice(begin, end).trim()).not.toBe("");
        }

        expect((await rank()).results).toEqual(results);
        // Odds are means over readings as scores are, of the best passage; all attention on a document counts as its own.
        for (const { index, score } of results) expect(odds[index]).toBeCloseTo(score / 10, 9);
        expect(rawOdds).toEqual(documents.map(({ text }) => words(text)));
      },
    ),
  );
});

test.each<MergeRule>(MERGE_RULES)("progress of %s has one total and never goes back", async (merge) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 40 }), async (lengths) => {
      const documents = lengths.map((words, index) => ({ id: `${index}`, text: "a ".repeat(words + 1).trim() }));
      const { rankAll } = engineOf(60);
      const seen: Progress[] = [];
      await rankAll(documents, { merge }, { onProgress: (progress) => seen.push(progress) });
      expect(new Set(seen.map(({ total }) => total)).size).toBe(1);
      expect(seen.map(({ done }) => done)).toEqual(seen.map(({ done }) => done).sort((a, b) => a - b));
      expect(seen.at(-1)!.done).toBe(seen.at(-1)!.total);
    }),
    { numRuns: 30 },
  );
});

test("blank documents stand last whatever window they were in", async () => {
  const texts = ["-", "a ship far at sea", "", "a dog that barked at noon", "…", "the sun and the moon", " ", "tea"];
  for (const merge of MERGE_RULES) {
    const documents = texts.map((text, index) => ({ id: `${index}`, text }));
    const { results } = await engineOf(22).rankAll(documents, { merge }, {});
    const places = results.map(({ index }) => texts[index]!);
    expect(places.slice(4).every((text) => !/\p{L}/u.test(text))).toBe(true);
  }
});

test("token scores come from a rule that reads every document once, unless another is asked for", async () => {
  const documents = Array.from({ length: 12 }, (_, index) => ({ id: `${index}`, text: "a ship far at sea" }));
  const { rankAll, prompts } = engineOf(40);
  const rank = (merge?: MergeRule) => rankAll(documents, { merge }, { tokenScores: true });
  expect((await rank()).windows!.merge).toBe("calibrated");
  expect(prompts.reduce((sum, tokens) => sum + tokens - FRONT - QUERY, 0)).toBe(12 * (NUMBER + 5));
  expect((await rank("final")).windows!.merge).toBe("final");
});
