// What a reader of generated text gets: whole characters, and nothing of a text that the answer stops at.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { streamOf } from "../../src/writing/stream.ts";
import { StreamedText } from "../../src/writing/streamed-text.ts";

/** The pieces shown for a text that comes in parts of these bytes. */
function pieces(
  text: string,
  cuts: (index: number) => boolean,
  stops: string[] = [],
): { shown: string[]; ended: boolean } {
  const streamed = new StreamedText(stops);
  const shown: string[] = [];
  const bytes = new TextEncoder().encode(text);
  let begin = 0;
  for (let end = 1; end <= bytes.length && !streamed.ended; end++) {
    if (end < bytes.length && !cuts(end)) continue;
    shown.push(streamed.add(bytes.subarray(begin, end)));
    begin = end;
  }
  shown.push(streamed.finish());
  return { shown: shown.filter((piece) => piece !== ""), ended: streamed.ended };
}

const everywhere = () => true;

describe("characters", () => {
  test.each(["naïve 👩‍🔬", "巴黎", "\uFEFFa", "e\u0301"])("%s comes whole, however its bytes come", (text) => {
    const { shown } = pieces(text, everywhere);
    expect(shown.join("")).toBe(text);
    expect(shown.every((piece) => !piece.includes("\uFFFD"))).toBe(true);
    expect(shown).toHaveLength([...text].length);
  });

  test("a character that was not ended shows as such", () => {
    const text = new StreamedText();
    expect(text.add(Uint8Array.of(0x61, 0xe5, 0xb7))).toBe("a");
    expect(text.finish()).toBe("\uFFFD");
  });
});

describe("texts to stop at", () => {
  test("are found across borders of tokens, the first of them counts, and nothing of it is shown", () => {
    expect(pieces("One. Two END three", everywhere, ["three", "END"])).toEqual({
      shown: [..."One. Two "],
      ended: true,
    });
    expect(pieces("abc", () => false, ["c", "bc"]).shown).toEqual(["a"]);
  });

  test("what only began as one is shown as soon as that is known", () => {
    expect(pieces("a\n\nb\nc", everywhere, ["\n\n\n"]).shown).toEqual(["a", "\n\nb", "\nc"]);
    expect(pieces("x EN", everywhere, ["END"])).toEqual({ shown: ["x", " ", "EN"], ended: false });
    expect(pieces("aaab", everywhere, ["aab"])).toEqual({ shown: ["a"], ended: true });
  });

  test("give the text up to the first, whatever the borders", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "é", "👍"), maxLength: 12 });
    const stop = fc.string({ unit: fc.constantFrom("a", "b", "é"), minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(
        text,
        fc.array(stop, { minLength: 1, maxLength: 3 }),
        fc.array(fc.boolean()),
        (whole, stops, cuts) => {
          const { shown, ended } = pieces(whole, (index) => cuts[index % Math.max(1, cuts.length)] ?? true, stops);
          const places = stops.map((one) => whole.indexOf(one)).filter((at) => at >= 0);
          expect(ended).toBe(places.length > 0);
          // Of texts to stop at that overlap, the one that ended first counts.
          if (ended) expect(stops.some((one) => whole.startsWith(shown.join("") + one))).toBe(true);
          else expect(shown.join("")).toBe(whole);
        },
      ),
    );
  });
});

describe("a stream", () => {
  const collect = async (stream: AsyncGenerator<string, unknown, void>) => {
    const read: string[] = [];
    for await (const piece of stream) read.push(piece);
    return read;
  };

  test("gives what was written before a failure, and then that", async () => {
    const stream = streamOf(async (onPiece) => {
      onPiece("a");
      await Promise.resolve();
      onPiece("b");
      throw new Error("mine");
    }, []);
    const read: string[] = [];
    await expect(
      (async () => {
        for await (const piece of stream) read.push(piece);
      })(),
    ).rejects.toThrow("mine");
    expect(read).toEqual(["a", "b"]);
  });

  test("does not begin before it is read, and ends the job where the reader stops", async () => {
    let state = "new";
    const job = async (onPiece: (piece: string) => void, signal: AbortSignal) => {
      state = "running";
      onPiece("a");
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      state = "ended";
      signal.throwIfAborted();
    };
    const controller = new AbortController();
    const stream = streamOf(job, [controller.signal, undefined]);
    expect(state).toBe("new");
    for await (const _ of stream) break;
    expect(state).toBe("ended");
    const aborted = collect(streamOf(job, [controller.signal]));
    controller.abort("enough");
    await expect(aborted).rejects.toBe("enough");
  });

  test("returns what the job returns", async () => {
    const stream = streamOf(async (onPiece) => {
      onPiece("a");
      return 7;
    }, []);
    expect(await stream.next()).toEqual({ value: "a", done: false });
    expect(await stream.next()).toEqual({ value: 7, done: true });
  });
});
