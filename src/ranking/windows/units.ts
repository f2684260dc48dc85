import { chunkText } from "../../chunking/chunk.ts";
import { TokenMap } from "../../chunking/token-map.ts";
import { ContextOverflowError } from "../../errors.ts";
import { type PromptLayout, textOffsets } from "../../prompt/layout.ts";
import type { LaidDocuments } from "../../reading/documents.ts";
import type { Described } from "../results.ts";
import { type Demoted, isBlank } from "../scoring/placement.ts";
import type { Costs } from "./plan.ts";

/** A document, or a passage of one that is too long: what stands in windows. */
export type Unit = {
  document: number;
  text: string;
  cost: number;
  begin: number;
  end: number;
  blank: boolean;
  readings: number;
  /** Sum of the computed scores, if a window demoted the document: the merge rules get the score of its place instead. */
  scoreSum: number;
  demoted?: Demoted | undefined;
  headSums?: number[] | undefined;
  oddsSum: number;
  rawOddsSum: number;
  /** Of the last window. */
  result?: Described;
};

const UNREAD = { readings: 0, scoreSum: 0, oddsSum: 0, rawOddsSum: 0 };
const LONGEST_PASSAGE = 512;
const SHORTEST_PASSAGE = 8;

/**
 * Documents as they stand in windows: whole, or cut between sentences into passages where one does not fit by itself.
 *
 * @param size Tokens that a window may have.
 * @throws ContextOverflowError where a title or the shortest passage does not fit.
 */
export async function unitsOf(
  { documents, positions }: LaidDocuments,
  prompt: PromptLayout,
  { size, costs, passageTokens }: { size: number; costs: Costs; passageTokens: number | undefined },
): Promise<Unit[]> {
  const capacity = size - costs.base;
  const units: Unit[] = [];
  for (const [document, { title, text }] of documents.entries()) {
    const blank = (part: string) => isBlank({ ...(title && { title }), text: part });
    const cost = costs.documents[positions[document]!]!;
    if (cost <= capacity) {
      units.push({ document, text, cost, begin: 0, end: 0, blank: blank(text), ...UNREAD });
      continue;
    }
    const map = new TokenMap(text, textOffsets(prompt.trunk, positions[document]!));
    const header = Math.max(0, cost - map.size) + 2;
    const half = Math.floor(capacity / 2) - header;
    const passage = passageTokens ?? Math.min(LONGEST_PASSAGE, half >= SHORTEST_PASSAGE ? half : capacity - header);
    if (passage + header > capacity || passage < 1) {
      const isTitle = Boolean(title) && (passageTokens === undefined || header + SHORTEST_PASSAGE > capacity);
      throw new ContextOverflowError(
        costs.base + header + Math.max(passage, SHORTEST_PASSAGE),
        size,
        `${isTitle ? "The title" : "A passage"} of document ${JSON.stringify(documents[document]!.id)}`,
        isTitle
          ? "cut it with maxDocumentTokens, or use more windowTokens or a larger contextSize"
          : "use fewer passageTokens, or more windowTokens or a larger contextSize",
        isTitle ? header : header + passage,
      );
    }
    for (const chunk of await chunkText(text, map, { by: "sentences", size: passage })) {
      const { begin, end } = chunk;
      const place = { document, text: chunk.text, cost: chunk.tokens + header, begin, end };
      units.push({ ...place, blank: blank(chunk.text), ...UNREAD });
    }
  }
  return units;
}
