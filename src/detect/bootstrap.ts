import { InputError, invalidArgument } from "../errors.ts";
import { seededRandom, shuffled } from "../heads/heads.ts";
import type { NEEDLES } from "../options/choices.ts";
import { BOOTSTRAPPING } from "../options/detecting.ts";
import { parseOptions } from "../options/parse.ts";
import { valuesOf } from "../options/spec.ts";
import type { BootstrapOptions } from "../options/types/detecting.ts";
import { counted } from "../util/counted.ts";
import { isList } from "../util/kinds.ts";
import type { DetectionExampleInput } from "./examples.ts";
import { Haystack, type PureNeedle } from "./haystack.ts";
import { type Passage, passagesOf } from "./passages.ts";
/** How a query is made from a passage; see `bootstrapExamples`. */
export type Needle = (typeof NEEDLES)[number];

/** Used in turn. If a model is good at one of them only, it shows heads for that one: see docs/heads.md. */
const MIX: readonly PureNeedle[] = ["fact", "sentence", "keywords"];

/** Examples and documents in each, unless asked otherwise. */
const DEFAULTS = valuesOf(BOOTSTRAPPING);
export const { examples: BOOTSTRAP_EXAMPLES, documents: BOOTSTRAP_DOCUMENTS } = DEFAULTS;

/** With fewer documents the examples are too easy. */
export const MIN_DOCUMENTS = 4;

export type { BootstrapOptions };

/**
 * Makes detection examples from texts without labels: needles in a haystack, with which QRHead (EMNLP 2025) finds heads too.
 *
 * The texts are cut into passages of about 70 words (100 letters where a script has no spaces), which are the documents; one of them holds the needle, in turn at every
 * place of the prompt, and it alone is gold. Half of the others are its neighbours in the text where there are any.
 *
 * - `fact`: a sentence that gives a name a number is put into the passage, and the query asks for that number. The other
 *   documents hold the same sentence with other names and numbers. Names are rare words of the texts.
 * - `sentence`: the query is one of the passage's sentences, which stays there
 * - `cloze`: the query is one of the passage's sentences, which is taken out (the inverse cloze task, ORQA, 2019)
 * - `keywords`: the query is the passage's rarest words
 * - `mixed`: fact, sentence and keywords in turn
 *
 * @returns The same examples for the same texts and options.
 * @throws InputError `INVALID_ARGUMENT` for a wrong option, `INVALID_INPUT` for texts that are empty or too short.
 * @example
 * const examples = bootstrapExamples([BOOTSTRAP_TEXT], { needle: "fact", examples: 32 });
 * const heads = await detectHeads({ model: "model.gguf", examples });
 */
export function bootstrapExamples(texts: readonly string[], options: BootstrapOptions = {}): DetectionExampleInput[] {
  const { needle, examples, documents, seed, sourceName } = parse(texts, options);
  const passages = distinct(passagesOf(texts));
  if (passages.length < MIN_DOCUMENTS) {
    throw new InputError(
      "INVALID_INPUT",
      `${sourceName} has ${counted(passages.length, "passage")} of about 70 words: expected at least ${MIN_DOCUMENTS}`,
      { advice: "pass more text, or none to use the text that comes with qrhead" },
    );
  }
  const random = seededRandom(seed);
  const haystack = new Haystack(passages);
  const count = Math.min(documents, passages.length);
  let golds: number[] = [];
  let places: number[] = [];
  return Array.from({ length: examples }, (_, index) => {
    const kind = needle === "mixed" ? MIX[index % MIX.length]! : needle;
    if (golds.length === 0) golds = shuffled([...passages.keys()], random);
    if (places.length === 0) places = shuffled([...Array(count).keys()], random);
    const gold = golds.pop()!;
    const place = places.pop()!;
    const chosen = haystack.around(gold, count - 1, random);
    chosen.splice(place, 0, gold);
    const { query, texts } = haystack.plant(kind, chosen, place, random);
    return {
      id: `${kind}-${index + 1}`,
      query,
      docs: texts.map((text, document) => ({ id: String(document), text })),
      gold: [String(place)],
    };
  });
}

/** A passage that a text repeats would be gold in one place and not in the other. */
function distinct(passages: readonly Passage[]): Passage[] {
  return [...new Map(passages.map((passage) => [passage.sentences.join(" "), passage])).values()];
}

function parse(texts: readonly string[], options: BootstrapOptions) {
  const areTexts = isList(texts) && texts.every((text) => typeof text === "string");
  if (!areTexts) throw invalidArgument("texts", "an array of strings", texts);
  const parsed = parseOptions(BOOTSTRAPPING, options) as BootstrapOptions;
  const { needle = "mixed", examples = BOOTSTRAP_EXAMPLES, documents = BOOTSTRAP_DOCUMENTS } = parsed;
  const { seed = DEFAULTS.seed } = parsed;
  return { needle, examples, documents, seed, sourceName: parsed.sourceName ?? "The bootstrap text" };
}
