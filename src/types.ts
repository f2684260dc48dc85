/** Half-open `[begin, end)`, in the unit that the name says. */
export type Span = readonly [begin: number, end: number];

/** A query head of a transformer: 0-based layer, 0-based head within it. */
export type Head = readonly [layer: number, head: number];

/** A document as rerank ranks it. */
export type RankDocument = {
  /** Name in the results. Defaults to the 0-based index as a string. */
  id: string;
  /** Shown to the model on its own line before the text; an empty one is an empty line. */
  title?: string;
  text: string;
};

/** One turn of a conversation. */
export type ChatMessage = { role: "system" | "user" | "assistant"; content: string };

/** What head sets and prompt profiles are matched against. */
export type ModelIdentity = {
  architecture: string;
  /** `general.name`, else the file name without its ending. */
  name: string;
  /** File name without folder. */
  fileName: string;
  layers: number;
  /** Query heads a layer. */
  heads: number;
  /** Layers of the model that a slim file was made from; equal to `layers` otherwise. */
  originalLayers: number;
  chatTemplate: string | null;
  /** Layers that look back `tokens` tokens only, where there are any; `layers` is null where it is not known which. */
  slidingWindow?: { tokens: number; layers: readonly number[] | null };
  /** Every scalar of the GGUF header, as text. */
  metadata: Readonly<Record<string, string>>;
};
