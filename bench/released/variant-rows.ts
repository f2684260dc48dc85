import { headKey } from "../../src/heads/heads.ts";
import type { Head, ModelIdentity } from "../../src/types.ts";
import type { Config } from "./config.ts";
import { type Method, parseList, publishedHeads, scoreBySum } from "./methods.ts";
import type { Ask, Setting } from "./reader.ts";
import { NULL_QUERY, type Reading, type Seen } from "./reading.ts";

type Model = Config["models"][number];

/** A query that was read in every setting: its candidates, and what was seen, by setting and by what was asked. */
export type VariantRead = { reading: Reading; seen: ReadonlyMap<string, VariantSeen> };
export type VariantSeen = { reading: Reading; asks: ReadonlyMap<string, Seen> };

const QUERY = "query";
const DEFAULT = "default";
const QUESTION = "question";
const behindQuestion = (name: string) => `${QUESTION}: ${name}`;

/** The settings that a model reads every query in, by name. Null queries and instructions stand behind the same documents. */
export function settingsOf(
  { nullQueries }: Config,
  { variants, objectives }: Model,
  identity: ModelIdentity,
): Map<string, Setting> {
  const { heads } = publishedHeads(identity);
  const calibrated: Ask[] = [{ name: QUERY }, { name: NULL_QUERY, text: NULL_QUERY }];
  const others = nullQueries.map((text): Ask => ({ name: text, text }));
  const question = calibrated.map((ask): Ask => ({ ...ask, name: behindQuestion(ask.name), prompt: QUESTION }));
  const plain: Setting = { prompt: "auto", order: "best last", heads, asks: calibrated };
  const found = variants.found ? Object.values(objectives ?? {}).flatMap(parseList) : [];
  const wide = [...new Map([...heads, ...found].map((head) => [headKey(head), head])).values()];
  return new Map<string, Setting>([
    [DEFAULT, { ...plain, heads: wide, asks: [...calibrated, ...others, ...question] }],
    ["best first", { ...plain, order: "best first" }],
    ["shuffled", { ...plain, order: "shuffled" }],
    ...variants.prompts.map((prompt): [string, Setting] => [prompt, { ...plain, prompt }]),
  ]);
}

/** The rows of the table, the default first. */
export function variantsOf({ nullQueries }: Config, model: Model, identity: ModelIdentity): Method<VariantRead>[] {
  const { heads } = publishedHeads(identity);
  const { prompts, found } = model.variants;
  type Way = { setting?: string; query?: string; nulls?: readonly string[]; heads?: readonly Head[] };
  const row = (name: string, way: Way): Method<VariantRead> => ({
    name,
    says: "",
    rank: ({ seen }) => {
      const { setting = DEFAULT, query = QUERY, nulls = [NULL_QUERY] } = way;
      const { reading, asks } = seen.get(setting)!;
      const asked = { query: asks.get(query)!, nulls: nulls.map((text) => asks.get(text)!) };
      return scoreBySum(reading, identity, { heads: way.heads ?? heads, mask: true, ...asked });
    },
  });
  return [
    row("default", {}),
    ...["best first", "shuffled"].map((setting) => row(`order: ${setting}`, { setting })),
    ...prompts.map((setting) => row(`prompt: \`${setting}\``, { setting })),
    row(`prompt: \`${QUESTION}\``, {
      query: behindQuestion(QUERY),
      nulls: [behindQuestion(NULL_QUERY)],
    }),
    row("no null query", { nulls: [] }),
    ...nullQueries.map((text) => row(`null query: ${text}`, { nulls: [text] })),
    row(`null query: mean of these and ${NULL_QUERY}`, { nulls: [NULL_QUERY, ...nullQueries] }),
    ...(found
      ? Object.entries(model.objectives ?? {}).map(([name, list]) =>
          row(`heads: \`--objective ${name}\``, { heads: parseList(list) }),
        )
      : []),
  ];
}
