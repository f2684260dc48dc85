import type { Config } from "./config.ts";
import type { Part } from "./page.ts";
import { MEASURES, type Results } from "./table.ts";

const round = (value: number) => Math.round(value * 1e6) / 1e6;

/** Everything behind the page: configuration, and the value of every query, method and measure. No text of any set. */
export function toJson(config: Config, parts: readonly Part[]) {
  const setsOf = ({ sets }: Results) =>
    sets.map(({ name, queries, values, ceiling }) => ({
      ...{ name, queries, ceiling },
      values: Object.fromEntries(
        MEASURES.map((key) => [
          key,
          Object.fromEntries([...values[key]].map(([method, list]) => [method, list.map(round)])),
        ]),
      ),
    }));
  return {
    config,
    models: parts.map(({ model, results, paraphrases, costs }) => ({
      ...{ model: model.key, promptTokens: results.promptTokens, cpuMs: results.cpuMs, costs },
      sets: setsOf(results),
      paraphrases: setsOf(paraphrases),
    })),
  };
}
