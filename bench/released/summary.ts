import type { Config } from "./config.ts";
import type { Part } from "./page.ts";
import { MEASURES, type SetResults } from "./table.ts";

const round = (value: number) => Math.round(value * 1e6) / 1e6;

/** The value of every query, method and measure. No text of any set. */
export function toSets(sets: readonly SetResults[]) {
  const byMethod = (values: ReadonlyMap<string, number[]>) =>
    Object.fromEntries([...values].map(([method, list]) => [method, list.map(round)]));
  return sets.map(({ name, queries, values, ceiling }) => ({
    ...{ name, queries, ceiling },
    values: Object.fromEntries(MEASURES.map((key) => [key, byMethod(values[key])])),
  }));
}

/** Everything behind the page, with the configuration. */
export function toJson(config: Config, parts: readonly Part[]) {
  return {
    config,
    models: parts.map(({ model, results, paraphrases, costs }) => ({
      ...{ model: model.key, promptTokens: results.promptTokens, cpuMs: results.cpuMs, costs },
      sets: toSets(results.sets),
      paraphrases: toSets(paraphrases.sets),
    })),
  };
}
