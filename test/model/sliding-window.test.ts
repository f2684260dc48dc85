// Which layers look back a few tokens only is said by rules; what their heads attend to shows whether the rules are right.
import { describe, expect, test } from "vitest";
import { slidingWindowOf } from "../../src/model/sliding-window.ts";
import { loadTiny } from "../helpers/retriever.ts";

const documents = [
  "Gallium melts at thirty degrees in the hand of whoever holds it.",
  "Iron is forged red hot, and tungsten lasts longest in a lamp of glass that holds no air.",
  "Tin was carried over the sea by traders who told nobody where they had found it.",
];

test.each(["tiny-gemma2", "tiny-gemma3", "tiny-gemma4", "tiny-gptoss"] as const)(
  "%s: heads of the layers that are named see nothing of the first document, and the others do",
  async (name) => {
    await using retriever = await loadTiny(name);
    const { slidingWindow } = retriever.model;
    expect(slidingWindow?.tokens).toBe(32);
    const { heads } = await retriever.inspect("Which metal melts in the hand?", documents, { calibration: false });
    const single = heads.filter(({ name }) => name !== "all");
    expect(single.length).toBe(retriever.heads.length);
    for (const head of single) {
      const layer = Number(head.name.split("-")[0]);
      const blind = head.raw[0]!.every((value) => value === 0);
      expect([head.name, blind]).toEqual([head.name, slidingWindow!.layers!.includes(layer)]);
    }

    const { warnings } = await retriever.rank("Which metal melts in the hand?", documents);
    expect(warnings).toEqual([
      expect.stringMatching(/look back 32 tokens only, and this prompt has \d+.*windowTokens: 32/),
    ]);
    const far = retriever.heads.filter(([layer]) => !slidingWindow!.layers!.includes(layer));
    await using sighted = await loadTiny(name, { heads: far });
    expect((await sighted.rank("Which metal melts in the hand?", documents)).warnings).toEqual([]);
  },
);

test("a model without a window says nothing", async () => {
  await using retriever = await loadTiny("tiny-llama");
  expect(retriever.model.slidingWindow).toBeUndefined();
  expect((await retriever.rank("Which metal?", documents)).warnings).toEqual([]);
});

describe("the rule", () => {
  const none = async () => null;
  test.each<[architecture: string, metadata: Record<string, string>, list: number[] | null, layers: number[] | null]>([
    ["gemma3", {}, null, [0, 1, 2, 3, 4, 6, 7]],
    ["gemma3", { "gemma3.attention.sliding_window_pattern": "2" }, null, [0, 2, 4, 6]],
    // llama.cpp takes its own rule where it finds a list.
    ["gemma2", {}, [1, 1, 1], [0, 2, 4, 6]],
    ["smallthinker", {}, null, [1, 2, 3, 5, 6, 7]],
    ["gemma4", {}, [1, 0, 0, 1], [0, 3]],
    ["gemma4", {}, null, null],
    ["exaone4", {}, null, undefined as unknown as null],
    ["not-known-here", {}, null, null],
  ])("of %s with %o and list %o", async (architecture, metadata, list, layers) => {
    const info = { architecture, metadata, layers: 8, slidingWindow: 512 };
    const found = await slidingWindowOf(info, list ? async () => list : none);
    expect(found).toEqual(layers === undefined ? undefined : { tokens: 512, layers });
  });
});
