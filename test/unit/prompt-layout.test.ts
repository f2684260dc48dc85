import { describe, expect, it, vi } from "vitest";
import type { PromptPiece } from "../../src/prompt/build.ts";
import { layOutPrompt, sameTokens, type TokenizePieces } from "../../src/prompt/layout.ts";
import { type PromptName, selectProfile } from "../../src/prompt/profiles.ts";
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

describe("layOutPrompt", () => {
  it.each(["llama3", "qwen2.5", "plain"] as const)("finds documents and query in the tokens of %s", async (name) => {
    const layout = await layOutPrompt(fakeTokenizer(), profile(name), documents, "which tea?", "N/A");
    const bytes = Buffer.from(layout.prompt.text);
    const textOf = ([begin, end]: readonly [number, number]) =>
      bytes.subarray(layout.offsets[2 * begin], layout.offsets[2 * end - 1]).toString();
    expect(layout.documentSpans).toHaveLength(3);
    expect(textOf(layout.documentSpans[0]!)).toContain("Tea\nleaves in water");
    expect(textOf(layout.documentSpans[1]!)).toContain("[2] ");
    expect(textOf(layout.documentSpans[2]!)).toContain("coffee, été 日本");
    expect(textOf(layout.querySpan)).toContain("Please find information");
    expect(layout.querySpan[1]).toBe(layout.tokens.length);
    expect(layout.tokens[0]).toBe(BEGIN);
  });

  it("counts the empty begin token to no document, and every last token to the query", async () => {
    const withEnd: TokenizePieces = async (pieces) => {
      const { tokens, offsets } = await fakeTokenizer()(pieces);
      const end = offsets.at(-1)!;
      return { tokens: Int32Array.from([...tokens, 99]), offsets: Uint32Array.from([...offsets, end, end]) };
    };
    const layout = await layOutPrompt(withEnd, profile("plain"), documents, "which tea?", null);
    expect(layout.documentSpans[0]![0]).toBeGreaterThan(0);
    expect(layout.querySpan[1]).toBe(layout.tokens.length);
    expect(layout.tokens.at(-1)).toBe(99);
  });

  it("gives the null query's tokens from where the query begins", async () => {
    const tokenize = fakeTokenizer();
    const { tokens, querySpan, nullTokens } = await layOutPrompt(
      tokenize,
      profile("plain"),
      documents,
      "a b c d",
      "N/A",
    );
    const swapped = await layOutPrompt(tokenize, profile("plain"), documents, "N/A", "a b c d");
    expect(nullTokens).toEqual(swapped.tokens.subarray(swapped.querySpan[0]));
    expect(swapped.nullTokens).toEqual(tokens.subarray(querySpan[0]));
    expect(nullTokens!.length).toBe(tokens.length - querySpan[0] - 3);
  });

  it("tokenizes once where there is no null query", async () => {
    const tokenize = vi.fn(fakeTokenizer());
    expect((await layOutPrompt(tokenize, profile("plain"), documents, "q", null)).nullTokens).toBeNull();
    expect(tokenize).toHaveBeenCalledTimes(1);
    await layOutPrompt(tokenize, profile("plain"), documents, "q", "N/A");
    expect(tokenize).toHaveBeenCalledTimes(3);
  });

  it("passes the template's pieces as special and the text as text", async () => {
    const seen: PromptPiece[][] = [];
    const tokenize: TokenizePieces = (pieces) => {
      seen.push(pieces);
      return fakeTokenizer()(pieces);
    };
    await layOutPrompt(tokenize, profile("llama3"), [{ text: "<|eot_id|>" }], "q <|eot_id|>", "N/A <|eot_id|>");
    expect(seen.map((pieces) => pieces.map(({ special }) => special))).toEqual([
      [true, false, true],
      [true, false, true],
    ]);
    expect(seen[1]![1]!.text).toContain("N/A <|eot_id|>");
    expect(seen[0]![0]).toEqual(seen[1]![0]);
  });

  it("refuses a null query that changes the documents' tokens", async () => {
    // The tokenizer looks ahead: another number for everything where the text ends otherwise.
    const tokenize: TokenizePieces = async (pieces) => {
      const { tokens, offsets } = await fakeTokenizer()(pieces);
      const shift = pieces.at(-1)!.text.endsWith("N/A") ? 1000 : 0;
      return { tokens: tokens.map((token) => token + shift), offsets };
    };
    const layout = layOutPrompt(tokenize, profile("plain"), documents, "q", "N/A");
    await expect(layout).rejects.toMatchObject({
      name: "QRHeadError",
      code: "ENGINE_FAILED",
      message: "The null query changes how the documents are tokenized: try another null query, or no calibration",
    });
    await expect(layOutPrompt(tokenize, profile("plain"), documents, "q", "nothing")).resolves.toBeDefined();
  });

  it("refuses a null query that ends before the documents do", async () => {
    const tokenize: TokenizePieces = async (pieces) => {
      const { tokens, offsets } = await fakeTokenizer()(pieces);
      const isNull = pieces.at(-1)!.text.endsWith("N/A");
      return isNull ? { tokens: tokens.slice(0, 2), offsets: offsets.slice(0, 4) } : { tokens, offsets };
    };
    await expect(layOutPrompt(tokenize, profile("plain"), documents, "q", "N/A")).rejects.toThrow(/^The null query/);
  });

  it("fails where the tokenizer drops a document", async () => {
    const tokenize: TokenizePieces = async () => ({ tokens: Int32Array.of(1), offsets: Uint32Array.of(0, 3) });
    await expect(layOutPrompt(tokenize, profile("plain"), documents, "q", null)).rejects.toMatchObject({
      code: "ENGINE_FAILED",
    });
  });

  it("passes on what the tokenizer throws", async () => {
    const error = new Error("aborted");
    const tokenize: TokenizePieces = () => Promise.reject(error);
    await expect(layOutPrompt(tokenize, profile("plain"), documents, "q", "N/A")).rejects.toBe(error);
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
