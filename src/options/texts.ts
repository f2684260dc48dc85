import { countedBy } from "../util/given.ts";
import { isList } from "../util/kinds.ts";
import { CHUNK_UNITS, PIECE_ORDERS, PRUNE_UNITS } from "./choices.ts";
import { signal } from "./model.ts";
import { callback, choice, integer, number, type OptionSet, other, pattern, text, texts, toggle } from "./spec.ts";

const CUTTING = "How texts are cut";
const KEEPING = "What stays";

const turn = pattern({
  ...{ flag: "--turn <REGEX>", group: CUTTING },
  says: "matches the beginning of a turn at the beginning of a line; its first group, if it has one, is the speaker",
  flagSays: "what a turn begins with, the speaker in its first group",
  ...{ default: "the usual formats of chats", shortDefault: "usual chat formats" },
});

/** How a text becomes chunks. */
export const CHUNKING = {
  by: choice({
    ...{ choices: CHUNK_UNITS, flag: "--chunk-by <WHAT>", group: CUTTING },
    says: "units that a text is cut into",
    default: '`"paragraphs"`',
    shortDefault: "by the file's ending",
  }),
  size: integer({
    ...{ min: 1, flag: "--chunk-size <N>", group: CUTTING },
    says: "tokens that a chunk may have",
    more: 'Neighbouring units are joined up to this, and a longer unit is cut at the next finer ones. Without a size every unit is one chunk, except that `"tokens"` and `"code"` use 256.',
  }),
  overlap: integer({
    min: 0,
    says: "tokens at the end of a chunk that the next one repeats, fewer than `size`",
    default: "0",
  }),
  turn,
  session: pattern({
    says: "matches the line that begins a session",
    default: 'a heading with "Session", "Conversation", "Chat" or "Day" and a number, or `DATE:`',
  }),
  speakers: texts({
    says: "names that count as speakers even if they speak once; case does not matter",
    default: "none",
  }),
} as const satisfies OptionSet;

/** What `retriever.tokenize` takes. */
export const TOKENIZING = { signal } as const satisfies OptionSet;

/** Tokens of the chunks that documents are cut into to be retrieved. */
export const chunkTokens = integer({
  ...{ min: 8, flag: "--chunk-size <N>", group: CUTTING },
  says: "tokens of the chunks that texts are cut into",
  value: 200,
});

export const chunk = other({
  type: 'Pick<ChunkOptions, "by" | "turn" | "session" | "speakers">',
  inside: { by: CHUNKING.by, turn, session: CHUNKING.session, speakers: CHUNKING.speakers },
  expected: "an object with by, turn, session or speakers",
  says: "how texts are cut",
  default: "by the file's ending, else at paragraphs",
});

/** What pruning must leave alone; a unit that touches a protected stretch stays whole. */
export const PROTECTING = {
  spans: other({
    type: "readonly Span[] | readonly (readonly Span[])[]",
    expected: "a list of [begin, end) pairs, or of such lists",
    accepts: (value) => isList(value) && Array.from(value).every(isList),
    says: "ranges of the text, half-open in UTF-16 units",
    more: "With several documents: a list of ranges for each, in their order, or one list for all.",
    default: "none",
  }),
  markers: {
    ...other({
      ...{ type: "readonly [open: string, close: string]", flag: "--keep-marks <OPEN> <CLOSE>", group: KEEPING },
      expected: "an opening and a closing mark",
      says: "an opening and a closing mark; they stay, with the text between them",
      flagSays: "keep the text between two marks, and the marks",
      default: "none",
    }),
    kind: "pair",
  },
  headings: toggle({
    ...{ flag: "--keep-headings", group: KEEPING },
    says: "keep Markdown headings",
    default: "`false`",
  }),
  frontMatter: toggle({
    ...{ flag: "--no-keep-front-matter", flagSays: "treat front matter like other text", group: KEEPING },
    says: "keep front matter: YAML between two lines of dashes at the beginning, or TOML between lines of plus signs",
    default: "`true`",
  }),
  speakers: texts({
    ...{ flag: "--keep-speaker <NAME>", group: KEEPING, expected: "a list of names that are not blank" },
    says: 'speakers whose turns stay, such as `"system"`; case does not matter',
    flagSays: "keep the turns of a speaker, such as system; repeatable",
    more: "A turn ends at the next speaker's. A name that speaks in no document gives a warning.",
    default: "none",
  }),
  turn: { ...turn, default: "`chunk.turn`" },
} as const satisfies OptionSet;

/** How much pruning keeps: exactly one of the first three, `relative`, or both. */
export const LIMITING = {
  budgetTokens: integer({
    ...{ min: 1, flag: "--budget <N>" },
    says: "maximum tokens of the pruned text, markers included",
    flagSays: "keep at most N tokens",
  }),
  threshold: number({
    ...{ flag: "--threshold <X>" },
    says: "keep units that score at least this",
    flagSays: "keep units with at least X attention per token",
  }),
  topK: integer({
    ...{ min: 1, flag: "-k, --top-k <N>" },
    says: "keep the best N units, besides what is protected",
    flagSays: "keep the best N sentences or chunks",
  }),
  relative: number({
    ...{ min: 0, max: 1, above: true, flag: "--relative <X>" },
    says: "keep units that score at least this share of the best one's score; the best one always qualifies",
    flagSays: "keep units with at least this share of the best one's attention",
  }),
} as const satisfies OptionSet;

export const countTokens = callback("(text: string) => number | Promise<number>", {
  says: "counts a text's tokens for the model that will read it",
  take: (count) => countedBy(count as Parameters<typeof countedBy>[0]),
  expected: "a function that counts a text's tokens",
});

/** What pruning takes beside limits and options of ranking. */
export const PRUNING = {
  unit: choice({
    ...{ choices: PRUNE_UNITS, flag: "--unit <UNIT>", group: CUTTING },
    says: "unit that is kept or dropped whole",
    more: "In fenced code, tables and source, a sentence is a line or a block.",
    default:
      '`"auto"`: chunks if the texts are many short ones, such as the turns of a chat (16 or more, median at most 48 tokens), else sentences. The result\'s `unit` says which',
    shortDefault: "auto",
  }),
  chunk: other({
    ...{ type: "ChunkOptions", inside: CHUNKING, expected: "an object with by, size, turn, session or speakers" },
    says: 'how texts are cut into the units of `"chunk"`, else into the passages that price the sentences',
    more: 'With `by: "code"` the text is source.',
    default: "paragraphs of up to 128 tokens",
  }),
  protect: other({
    ...{ type: "ProtectOptions", inside: PROTECTING, expected: `an object with ${Object.keys(PROTECTING).join(", ")}` },
    says: "what stays regardless of the limit",
  }),
  marker: other({
    ...{ type: "string", flag: "--marker <TEXT>", group: KEEPING, expected: "a text, which may be empty" },
    accepts: (value) => typeof value === "string",
    says: "replaces text that was left out; may be empty",
    more: "Its tokens count.",
    ...{ default: '`"[…] "`', shortDefault: '"[…] "' },
  }),
  countTokens: { ...countTokens, says: "counts the budget's tokens", default: "the retriever's own tokenizer" },
} as const satisfies OptionSet;

export const neighbours = integer({
  ...{ min: 0, flag: "--neighbours <N>", group: CUTTING },
  says: "pieces of the same group before and after each that are added if they fit",
  flagSays: "chunks to add before and after each",
  value: 0,
});

export const pieceOrder = choice({
  choices: PIECE_ORDERS,
  expected: PIECE_ORDERS.slice(0, -1)
    .map((word) => JSON.stringify(word))
    .join(", ")
    .concat(' or "score"'),
  says: "order in the context: as given, by `number`, by `date`, or best first",
  more: "Pieces without the key come last, in the given order.",
  default: '`"given"`',
});

/** How pieces become one context. */
export const ASSEMBLING = {
  topK: integer({ min: 1, says: "pieces to take at most, neighbours not counted", default: "as many as fit" }),
  above: number({ says: "pieces that score no higher are added only as neighbours", default: "none" }),
  budgetTokens: integer({ min: 1, required: true, says: "tokens that the context may have, citations included" }),
  countTokens: { ...countTokens, required: true },
  order: pieceOrder,
  neighbours,
} as const satisfies OptionSet;

export const instruction = text({
  says: "what the model is told to do",
  default: "answering from the sources and citing them",
});
