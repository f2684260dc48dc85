import type { RankOptions } from "../options.ts";
import type { RankResult } from "../ranking/results.ts";
import type { Ranker } from "../ranking/retriever.ts";

const QUERY = "Which planet has the most visible rings?";

/** The document that answers is in the middle, so that a preference for either end of the prompt fails the test. */
const DOCUMENTS = [
  "Bread dough rises because yeast turns sugar into carbon dioxide, and the gas is caught in the stretchy gluten.",
  "Saturn is the planet with the most visible rings: bands of ice and rock that even a small telescope shows.",
  "A violin has four strings, tuned in fifths, and is played with a bow of horsehair.",
];
const RELEVANT = 1;

export type SelfTest = {
  /** `ok`; `order`: the document that answers is not first; `equal`: all scores are the same, so nothing was ranked. */
  verdict: "ok" | "order" | "equal";
  result: RankResult;
};

/**
 * Ranks three documents of which one answers the query: whether this model, with these heads, on this machine, ranks at
 * all.
 *
 * @throws QRHeadError what `rank` throws; `ATTENTION_INVALID` for scores that are not finite.
 */
export async function selfTest(
  retriever: Pick<Ranker, "rank">,
  { signal, onProgress }: Pick<RankOptions, "signal" | "onProgress"> = {},
): Promise<SelfTest> {
  const result = await retriever.rank(QUERY, DOCUMENTS, { signal, onProgress, fuse: "none" });
  const [first] = result.results;
  const equal = result.results.every(({ score }) => score === first!.score);
  return { verdict: equal ? "equal" : first!.index === RELEVANT ? "ok" : "order", result };
}
