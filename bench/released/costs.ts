import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { headKey } from "../../src/heads/heads.ts";
import type { Head } from "../../src/types.ts";
import { type Config, config } from "./config.ts";
import type { Cost } from "./cost.ts";
import type { OpenTask } from "./reading.ts";

/** The set of the queries, one that brings long documents and several gold ones, and how many. */
const SET = "musique_train100";
const QUERIES = 3;

/** What QR heads, all heads and the dense baseline cost, each in a process of its own; measured once and kept. */
export async function measureCosts(
  model: Config["models"][number],
  heads: readonly Head[],
  tasks: readonly OpenTask[],
  { models, folder }: { models: string; folder: string },
): Promise<{ name: string; cost: Cost }[]> {
  const open = tasks.find(({ task }) => task.name === SET);
  if (!open) return [];
  const queries = [];
  for (const topic of open.topics.slice(0, QUERIES)) {
    queries.push({ query: topic.query, documents: (await open.task.candidates(topic)).documents });
  }
  const file = path.join(folder, "costs", "queries.json");
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(queries));
  const measured = (name: string, gguf: string, spec: string) => {
    const digest = createHash("sha256").update(`${gguf}|${spec}`).digest("hex").slice(0, 16);
    const kept = path.join(folder, "costs", `${digest}.json`);
    if (!existsSync(kept)) {
      const script = fileURLToPath(new URL("cost.ts", import.meta.url));
      const args = ["--import", "tsx", script, path.join(models, gguf), spec, file];
      writeFileSync(kept, execFileSync(process.execPath, args, { encoding: "utf8" }));
    }
    return { name, cost: JSON.parse(readFileSync(kept, "utf8")) as Cost };
  };
  return [
    measured(`QR heads (${heads.length})`, model.file, heads.map(headKey).join(",")),
    measured("all heads (ICR)", model.file, "all"),
    measured("dense, MiniLM", config.dense, "dense"),
  ];
}
