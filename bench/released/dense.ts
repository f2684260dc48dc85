import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { dense } from "../../src/eval/methods/dense.ts";
import { isBlank } from "../../src/ranking/scoring/placement.ts";
import type { Config } from "./config.ts";
import { type OpenTask, placeOf, type Reading, readingOf } from "./reading.ts";

const KEY = "dense";

/** Cosine of every candidate of a query that was read; undefined where the model was not there. */
export function denseOf(folder: string, { task, query, ids }: Reading): number[] | undefined {
  const file = `${placeOf(folder, KEY, task, query)}.json`;
  if (!existsSync(file)) return undefined;
  const found = JSON.parse(readFileSync(file, "utf8")) as Record<string, number>;
  return ids.map((id) => found[id]!);
}

/** Embeds the candidates of every query that some model has read, and keeps their cosines. */
export async function embedAll(
  config: Config,
  tasks: readonly OpenTask[],
  { models, folder }: { models: string; folder: string },
): Promise<void> {
  const method = dense(path.join(models, config.dense), KEY, KEY);
  await using ranker = await method.open({ load: { gpu: false, threads: 1 } });
  for (const { task, topics } of tasks) {
    for (const topic of topics) {
      const place = placeOf(folder, KEY, task.name, topic.id);
      const isRead = config.models.some(({ key }) => readingOf(placeOf(folder, key, task.name, topic.id)));
      if (!isRead || existsSync(`${place}.json`)) continue;
      const candidates = await task.candidates(topic);
      const documents = candidates.documents.filter((document) => !isBlank(document));
      const { scores } = await ranker.rank({ topic, documents, scores: [], bm25: candidates.bm25 });
      mkdirSync(path.dirname(place), { recursive: true });
      writeFileSync(`${place}.json`, JSON.stringify(Object.fromEntries(documents.map(({ id }, i) => [id, scores[i]]))));
    }
  }
}
