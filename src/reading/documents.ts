import type { PromptDocument } from "../prompt/build.ts";
import { layOutQuery, type PromptLayout, type Trunk } from "../prompt/layout.ts";
import { truncateDocument } from "../prompt/truncate.ts";
import type { RankDocument } from "../types.ts";
import { type Engine, tokenize } from "./engine.ts";
import type { Layout } from "./layout.ts";

/** A title is cut after no fewer tokens than this: it says what the text is about. */
const SHORTEST_TITLE = 32;

type CutDocument = RankDocument & { truncated: boolean };

/** Documents as they stand in a prompt, whatever the query. */
export type LaidDocuments = {
  /** In the order given, cut to size. */
  documents: readonly CutDocument[];
  /** By document, its place among the spans of the trunk. */
  positions: readonly number[];
  trunk: Trunk;
};

/** How documents are laid out. */
export type LayOutOptions = {
  order: "given" | "reverse";
  maxDocumentTokens?: number | undefined;
  signal?: AbortSignal | undefined;
};

/** Cuts documents to size and tokenizes their prompt, in which `reverse` puts the first one next to the query. */
export async function layOutDocuments(
  engine: Engine,
  layout: Layout,
  documents: readonly RankDocument[],
  { order, maxDocumentTokens, signal }: LayOutOptions,
): Promise<LaidDocuments> {
  const cut: CutDocument[] = [];
  for (const document of documents) cut.push(await truncate(engine, document, maxDocumentTokens, signal));
  const isReversed = order === "reverse";
  const shown: readonly PromptDocument[] = isReversed ? cut.toReversed() : cut;
  const positions = cut.map((_, index) => (isReversed ? cut.length - 1 - index : index));
  return { documents: cut, positions, trunk: await layout.layOut(shown, signal) };
}

/** The prompt of a query after documents. */
export async function layOutPrompt(
  engine: Engine,
  trunk: Trunk,
  query: string,
  nullQuery: string | null,
  signal?: AbortSignal,
): Promise<PromptLayout> {
  const behind = (text: string, what?: string) =>
    layOutQuery((pieces) => tokenize(engine, pieces, signal), trunk, text, what);
  const tokens = await behind(query);
  return { trunk, query: tokens, nullQuery: nullQuery === null ? null : await behind(nullQuery, "null query") };
}

/** Cuts a document's text after `limit` tokens, and so its title. */
async function truncate(
  engine: Engine,
  document: RankDocument,
  limit: number | undefined,
  signal: AbortSignal | undefined,
): Promise<CutDocument> {
  if (limit === undefined) return { ...document, truncated: false };
  const cut = async (text: string, after: number) => {
    // No token is shorter than a byte.
    if (Buffer.byteLength(text, "utf8") <= after) return { text, truncated: false };
    return truncateDocument(text, after, (await tokenize(engine, [{ text, special: false }], signal)).offsets);
  };
  const text = await cut(document.text, limit);
  const title = document.title ? await cut(document.title, Math.max(limit, SHORTEST_TITLE)) : undefined;
  return {
    ...document,
    ...(title && { title: title.text }),
    text: text.text,
    truncated: text.truncated || (title?.truncated ?? false),
  };
}
