import { afterAll, beforeAll } from "vitest";
import type { QRRetriever } from "../../src/index.ts";
import { loadTiny } from "./retriever.ts";

export const query = "Where is the tower?";
export const texts = [
  "Bananas are yellow. They are sweet.",
  "The tower stands in Paris. It is tall.",
  "Bread is baked.",
];

/** What adapters are compared with: a retriever for the tests of a file, and its own order of the texts. */
export function ranked(): { retriever: QRRetriever; order: number[] } {
  const made = {} as { retriever: QRRetriever; order: number[] };
  beforeAll(async () => {
    made.retriever = await loadTiny("tiny-llama");
    made.order = (await made.retriever.rank(query, texts)).results.map(({ index }) => index);
  });
  afterAll(() => made.retriever.dispose());
  return made;
}
