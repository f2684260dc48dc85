import { describe, expect, it } from "vitest";
import { buildPrompt, type PromptPiece } from "../../src/prompt/build.ts";
import { layOutQuery, layOutTrunk, sameTokens, type TokenizePieces } from "../../src/prompt/layout.ts";
import { type PromptName, type PromptProfile, selectProfile } from "../../src/prompt/profiles.ts";
import { identity } from "../helpers/identity.ts";

const profile = (name: PromptName) => selectProfile(name, { ...identity(), bosText: "<s>", eosText: "</s>" });
const BEGIN = 0;

/**
 * A tokenizer that cuts after every space, with an empty begin token in front; equal texts get equal ids.
 */
function fakeTokenizer(): TokenizePieces {
  const ids = new Map<string, number>();
  return async (pieces) => {
    const text = pieces.map((piece) => piece.text).join("");
    const parts = (text.match(/[^ ]* ?/gs) ?? []).filter((part) => part !== "");
    const tokens = [BEGIN];
    const offsets = [0, 0];
    let at = 0;
    for (const part of parts) {
      if (!ids.has(part)) ids.set(part, ids.size + 1);
      tokens.push(ids.get(part)!);
      offsets.push(at, at + Buffer.byteLength(part));
      at += Buffer.byteLength(part);
    }
    return { tokens: Int32Array.from(tokens), offsets: Uint32Array.from(offsets) };
  };
}

const documents = [{ title: "Tea", text: "leaves in water" }, { text: "" }, { text: "coffee, été 日本" }];
/** Longer than what is tokenized again with every query. */
const long = [...documents, { text: "one word after the other, ".repeat(20) }];

async function layOut(tokenize: TokenizePieces, profile: PromptProfile, given: typeof documents, query: string) {
  const trunk = await layOutTrunk(tokenize, profile, given);
  return { trunk, query: await layOutQuery(tokenize, trunk, query) };
}

describe("a laid-out prompt", () => {
  it.each(["llama3", "qwen2.5", "plain"] as const)("finds documents and query in the tokens of %s", async (name) => {
    const { trunk } = await layOut(fakeTokenizer(), profile(name), documents, "which tea?");
    const textOf = ([begin, end]: readonly [number, number]) =>
      Buffer.from(trunk.text)
        .subarray(trunk.offsets[2 * begin], trunk.offsets[2 * end - 1])
        .toString();
    expect(trunk.documentSpans).toHaveLength(3);
    expect(textOf(trunk.documentSpans[0]!)).toContain("Tea\nleaves in water");
    expect(textOf(trunk.documentSpans[1]!)).toContain("[2] ");
    expect(textOf(trunk.documentSpans[2]!)).toContain("coffee, été 日本");
    expect(textOf([0, trunk.tokens.length])).not.toContain("Please find information");
    expect(trunk.tokens[0]).toBe(BEGIN);
  });

  it("counts the empty begin token to no document, and every last token to the query", async () => {
    const withEnd: TokenizePieces = async (pieces) => {
      const { tokens, offsets } = await fakeTokenizer()(pieces);
      const end = offsets.at(-1)!;
      return { tokens: Int32Array.from([...tokens, 99]), offsets: Uint32Array.from([...offsets, end, end]) };
    };
    const { trunk, query } = await layOut(withEnd, profile("plain"), documents, "which tea?");
    expect(trunk.documentSpans[0]![0]).toBeGreaterThan(0);
    expect(query.at(-1)).toBe(99);
  });

  it.each([["short", documents] as const, ["long", long] as const])(
    "of %s documents has the tokens of the whole prompt",
    async (_, given) => {
      const tokenize = fakeTokenizer();
      for (const name of ["llama3", "plain"] as const) {
        const { trunk, query } = await layOut(tokenize, profile(name), given, "a b c d");
        const whole = await tokenize(buildPrompt(profile(name), given, "a b c d").pieces);
        expect([...trunk.tokens, ...query]).toEqual([...whole.tokens]);
      }
    },
  );

  it("tokenizes long documents once, whatever the number of queries", async () => {
    const lengths: number[] = [];
    const tokenize: TokenizePieces = (pieces) => {
      lengths.push(pieces.reduce((sum, { text }) => sum + text.length, 0));
      return fake(pieces);
    };
    const fake = fakeTokenizer();
    const { trunk } = await layOut(tokenize, profile("plain"), long, "q");
    await layOutQuery(tokenize, trunk, "another q");
    const whole = buildPrompt(profile("plain"), long, "q").text.length;
    expect(lengths.filter((length) => length >= whole)).toHaveLength(1);
  });

  it("passes the template's pieces as special and the text as text", async () => {
    const seen: PromptPiece[][] = [];
    const tokenize: TokenizePieces = (pieces) => {
      seen.push(pieces);
      return fakeTokenizer()(pieces);
    };
    await layOut(tokenize, profile("llama3"), [{ text: "<|eot_id|>" }], "q <|eot_id|>");
    expect(seen.map((pieces) => pieces.map(({ special }) => special))).toEqual([
      [true, false, true],
      [true, false, true],
    ]);
    expect(seen[1]![1]!.text).toContain("q <|eot_id|>");
    expect(seen[0]![0]).toEqual(seen[1]![0]);
  });

  it("looks at the whole prompt where the end of the documents is tokenized otherwise by itself", async () => {
    // A text that does not begin as the prompt does has other numbers.
    const fake = fakeTokenizer();
    const tokenize: TokenizePieces = async (pieces) => {
      const { tokens, offsets } = await fake(pieces);
      const shift = pieces[0]!.text.startsWith(" Here are") ? 0 : 1000;
      return { tokens: tokens.map((token) => token + shift), offsets };
    };
    const { trunk, query } = await layOut(tokenize, profile("plain"), long, "which tea?");
    const whole = await tokenize(buildPrompt(profile("plain"), long, "which tea?").pieces);
    expect([...trunk.tokens, ...query]).toEqual([...whole.tokens]);
  });

  it("refuses a query that changes the documents' tokens", async () => {
    // The tokenizer looks ahead: another number for everything where the text ends otherwise.
    const fake = fakeTokenizer();
    const tokenize: TokenizePieces = async (pieces) => {
      const { tokens, offsets } = await fake(pieces);
      const shift = pieces.at(-1)!.text.endsWith("nothing") ? 1000 : 0;
      return { tokens: tokens.map((token) => token + shift), offsets };
    };
    const trunk = await layOutTrunk(tokenize, profile("plain"), documents);
    await expect(layOutQuery(tokenize, trunk, "nothing", "null query")).rejects.toMatchObject({
      name: "QRHeadError",
      code: "ENGINE_FAILED",
      message: "The null query changes how the documents are tokenized: try another null query, or no calibration",
    });
    await expect(layOutQuery(tokenize, trunk, "nothing")).rejects.toThrow(/^The query .*: ask another query$/);
    await expect(layOutQuery(tokenize, trunk, "something")).resolves.toBeDefined();
  });

  it("refuses a query that ends before the documents do", async () => {
    const tokenize: TokenizePieces = async (pieces) => {
      const { tokens, offsets } = await fakeTokenizer()(pieces);
      const isShort = pieces.at(-1)!.text.endsWith("short");
      return isShort ? { tokens: tokens.slice(0, 2), offsets: offsets.slice(0, 4) } : { tokens, offsets };
    };
    await expect(layOut(tokenize, profile("plain"), documents, "short")).rejects.toThrow(/^The query changes/);
  });

  it("fails where the tokenizer drops a document", async () => {
    const tokenize: TokenizePieces = async () => ({ tokens: Int32Array.of(1), offsets: Uint32Array.of(0, 3) });
    await expect(layOutTrunk(tokenize, profile("plain"), documents)).rejects.toMatchObject({ code: "ENGINE_FAILED" });
  });

  it("passes on what the tokenizer throws", async () => {
    const error = new Error("aborted");
    const tokenize: TokenizePieces = () => Promise.reject(error);
    await expect(layOutTrunk(tokenize, profile("plain"), documents)).rejects.toBe(error);
  });
});

describe("sameTokens", () => {
  it.each([
    [[], [], true],
    [[1, 2], [1, 2], true],
    [[1, 2], [1, 3], false],
    [[1, 2], [1], false],
    [[1], [1, 2], false],
  ])("%j and %j: %s", (a, b, expected) => {
    expect(sameTokens(Int32Array.from(a), Int32Array.from(b))).toBe(expected);
  });
});
