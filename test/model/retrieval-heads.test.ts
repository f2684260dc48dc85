// Wu et al.'s retrieval heads, on a model that copies by construction.
import { describe, expect, test } from "vitest";
import { copyingHead } from "../../scripts/models/table.ts";
import { detectRetrievalHeads, type RetrievalHeadOptions, type Trial } from "../../src/detect/index.ts";
import { parseHeadSet } from "../../src/index.ts";
import { modelPath } from "../helpers/models.ts";

/** Sentences of invented words, which share no pair of tokens with the needle. */
function sentences(count: number, seed: number): string {
  const stems = "bal cor dim fen gor hal jun kel lom mar nop pel ras sol tum vel wix yar zed".split(" ");
  let state = seed;
  const next = (below: number) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * below);
  };
  const word = () => Array.from({ length: 3 }, () => stems[next(stems.length)]).join("");
  return Array.from({ length: count }, () => `${Array.from({ length: 9 }, word).join(" ")}.`).join(" ");
}

/** It begins as the prompt ends, which is what makes the model go on with it. */
const needle =
  "\nAnswer: violet turtles whisper ancient riddles beneath crooked lanterns while drowsy bakers juggle marble eggs";
const options: RetrievalHeadOptions = {
  model: modelPath("copying"),
  text: sentences(60, 7),
  facts: [{ needle, question: "what?" }],
  minTokens: 150,
  maxTokens: 500,
  lengths: 2,
  depths: 2,
  gpu: false,
  threads: 1,
};

describe("detectRetrievalHeads", () => {
  test("finds the head that copies, which scores near 1 while all others score nothing", async () => {
    const seen: Trial[] = [];
    const { set, trials, counted, total } = await detectRetrievalHeads({
      ...options,
      onTrial: (trial, done, of) => {
        expect([done, of]).toEqual([seen.push(trial), 4]);
      },
    });
    const [layer, head] = copyingHead;
    expect([counted, total]).toEqual([4, 4]);
    expect(set.heads[0]).toEqual([layer, head]);
    // Of the needle's tokens only those that begin it, which the prompt ends with, are not written.
    expect(set.scores[layer]![head]).toBeGreaterThan(0.85);
    expect(set.scores[layer]![head]).toBeLessThanOrEqual(1);
    const others = set.scores.flatMap((row, l) => row.filter((_, h) => l !== layer || h !== head));
    expect(Math.max(...others)).toBeLessThan(0.05);
    expect(set).toMatchObject({ objective: "retrieval-heads", prompt: "plain", source: { examples: 4, trials: 4 } });
    expect(trials[`${layer}-${head}`]).toHaveLength(4);
    for (const { recall, answer } of seen) {
      expect(recall).toBeGreaterThan(0.8);
      expect(needle).toContain(answer.slice(0, 30));
    }
    // The trials are in the format that Wu et al. publish.
    const imported = parseHeadSet(JSON.stringify(trials), "trials");
    expect(imported.heads[0]).toEqual([layer, head]);
  });

  test("gives the same whatever the size of a forward pass, and with flash attention off", async () => {
    const one = { ...options, lengths: 1, depths: 1 };
    const { trials } = await detectRetrievalHeads(one);
    for (const others of [{ batchSize: 64 }, { flashAttention: false }]) {
      expect((await detectRetrievalHeads({ ...one, ...others })).trials).toEqual(trials);
    }
  });

  test("chooses no head that scored nothing or too little, and says that few answers counted", async () => {
    const one = { ...options, lengths: 1, depths: 1, top: 12 };
    const { set, warnings } = await detectRetrievalHeads(one);
    expect(set.heads.length).toBeLessThan(12);
    for (const [layer, head] of set.heads) expect(set.scores[layer]![head]).toBeGreaterThan(0);
    expect(warnings).toEqual([
      expect.stringMatching(/^Only 1 of 1 answer /),
      expect.stringMatching(/fewer than the 12 requested$/),
    ]);
    await expect(detectRetrievalHeads({ ...one, threshold: 0.99 })).rejects.toMatchObject({
      code: "MODEL_UNSUPPORTED",
      message: expect.stringContaining("the best scored 0."),
    });
  });

  test("finds nothing without the head that copies, and all without as many others", async () => {
    const [layer, head] = copyingHead;
    const recallsWithout = async (withoutHeads: string) => {
      const recalls: number[] = [];
      const onTrial = ({ recall }: Trial) => void recalls.push(recall);
      const found = await detectRetrievalHeads({ ...options, depths: 1, withoutHeads, onTrial }).catch(
        (error) => error,
      );
      return { recalls, found };
    };
    const without = await recallsWithout(`${layer}-${head}`);
    expect(without.found).toMatchObject({ code: "MODEL_UNSUPPORTED" });
    expect(without.recalls).toHaveLength(2);
    expect(Math.max(...without.recalls)).toBeLessThan(0.2);
    const other = await recallsWithout(`2-${head}`);
    expect(Math.min(...other.recalls)).toBeGreaterThan(0.8);
    expect(other.found.set).toMatchObject({ heads: [[layer, head]], source: { without: [`2-${head}`] } });
    const missing = await recallsWithout("9-0");
    expect(missing.found).toMatchObject({ name: "InputError", code: "HEADS_MISMATCH" });
  });

  test("says so when no answer counts", async () => {
    const facts = [{ needle: "A sentence that nothing leads to.", question: "What leads to it?" }];
    const run = detectRetrievalHeads({ ...options, facts, lengths: 1, depths: 1 });
    await expect(run).rejects.toMatchObject({ code: "MODEL_UNSUPPORTED" });
  });

  test.each<[string, Partial<RetrievalHeadOptions>, string]>([
    ["no text", { text: " " }, "INVALID_ARGUMENT"],
    ["a text that is too short", { text: "Two words.", sourceName: "short.txt" }, "INVALID_INPUT"],
    ["a longest below the shortest", { maxTokens: 100 }, "INVALID_ARGUMENT"],
    ["no needles", { facts: [] }, "INVALID_ARGUMENT"],
    ["an unknown option", { depth: 3 } as never, "INVALID_ARGUMENT"],
  ])("refuses %s", async (_, wrong, code) => {
    await expect(detectRetrievalHeads({ ...options, ...wrong })).rejects.toMatchObject({ name: "InputError", code });
  });

  test("is stopped by its signal", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const onTrial = () => controller.abort(reason);
    await expect(detectRetrievalHeads({ ...options, signal: controller.signal, onTrial })).rejects.toBe(reason);
  });
});
