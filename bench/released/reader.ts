import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";
import { permute } from "../../src/eval/run.ts";
import type { Task, Topic } from "../../src/eval/types.ts";
import { everyHead, headKey } from "../../src/heads/heads.ts";
import { type LoadedModel, loadModel } from "../../src/model/model.ts";
import { type PromptLayout, sameTokens } from "../../src/prompt/layout.ts";
import { type PromptName, selectProfile } from "../../src/prompt/profiles.ts";
import { isBlank } from "../../src/ranking/scoring/placement.ts";
import { type LaidDocuments, layOutDocuments, layOutPrompt } from "../../src/reading/documents.ts";
import type { Engine } from "../../src/reading/engine.ts";
import { KvContext } from "../../src/reading/kv-context.ts";
import { ListwiseLayout } from "../../src/reading/listwise.ts";
import type { Head, ModelIdentity, RankDocument } from "../../src/types.ts";
import type { Config } from "./config.ts";
import { type KeptReading, keep, NULL_QUERY, type OpenTask, placeOf } from "./reading.ts";

/** What is asked behind the documents; without a text, the query itself. */
export type Ask = {
  name: string;
  text?: string;
  /** Another instruction than that of the documents' prompt. What stands before them has to be the same. */
  prompt?: PromptName;
};

/** How a query is read. */
export type Setting = {
  prompt: PromptName;
  /** Where BM25's best candidate stands: last is next to the query. */
  order: "best last" | "best first" | "shuffled";
  heads: readonly Head[];
  asks: readonly Ask[];
};

type Settings = Pick<Config, "seed" | "maxDocumentTokens">;

/** A model that reads queries on one thread. */
export class Reader {
  readonly #model: LoadedModel;
  readonly #options: Engine["options"];
  readonly #settings: Settings;
  /** By prompt and heads. */
  readonly #contexts = new Map<string, KvContext>();

  private constructor(model: LoadedModel, options: Engine["options"], settings: Settings) {
    this.#model = model;
    this.#options = options;
    this.#settings = settings;
  }

  static async open(model: string, settings: Settings): Promise<Reader> {
    const options = { model, gpu: false as const, threads: 1 };
    return new Reader(await loadModel(options), options, settings);
  }

  get identity(): ModelIdentity {
    return this.#model.identity;
  }

  /** A query's candidates and the attention on them, `[asks][heads][tokens]`; null where there are none, or too long ones. */
  async read(
    task: Task,
    topic: Topic,
    setting: Setting,
  ): Promise<{ reading: KeptReading; attention: Float32Array } | null> {
    const { prompt, order, heads, asks } = setting;
    const candidates = await task.candidates(topic);
    const scores = task.firstStage === "bm25" ? candidates.scores : await candidates.bm25();
    const filled = candidates.documents.flatMap((document, index) => (isBlank(document) ? [] : [index]));
    if (filled.length === 0) return null;
    const documents = filled.map((index) => candidates.documents[index]!);

    const places = placesOf(documents.length, order, `${this.#settings.seed}|${topic.id}`);
    const engine = this.#engine(prompt, heads);
    const context = this.#context(engine, setting);
    const { trunk } = await this.#layOut(engine, documents, places);
    const layOut = async ({ text = topic.query, prompt: own }: Ask): Promise<PromptLayout> => {
      if (own === undefined) return layOutPrompt(engine, trunk, text, null);
      const other = this.#engine(own, heads);
      const laid = await this.#layOut(other, documents, places);
      if (!sameTokens(laid.trunk.tokens, trunk.tokens)) throw new Error(`Prompt ${own} begins in another way`);
      return { ...(await layOutPrompt(other, laid.trunk, text, null)), trunk };
    };
    const first = await layOut(asks[0]!);
    const prompts: [PromptLayout, ...PromptLayout[]] = [first];
    for (const ask of asks.slice(1)) prompts.push(await layOut(ask));
    if (prompts.some((one) => context.layout.overflow(one))) return null;

    const spans = places.map((place): [number, number] => [...trunk.documentSpans[place]!]);
    const tokens = Math.max(...spans.map(([, end]) => end));
    const attention = new Float32Array(asks.length * heads.length * tokens);
    const began = process.cpuUsage();
    let row = 0;
    for await (const { query } of context.observe(prompts, { rows: "heads" }, {})) {
      for (const head of heads.keys()) attention.set(query.row(head).subarray(0, tokens), row++ * tokens);
    }
    const { user, system } = process.cpuUsage(began);
    const reading: KeptReading = {
      ...{ task: task.name, query: topic.id, grades: [...topic.grades], spans, tokens },
      ...{ ids: documents.map(({ id }) => id), bm25: filled.map((index) => scores[index]!) },
      ...{
        asks: asks.map(({ name }) => name),
        heads: heads.map(([layer, head]) => layer * this.identity.heads + head),
      },
      ...{ promptTokens: trunk.tokens.length + first.query.length, cpuMs: Math.round((user + system) / 1000) },
    };
    return { reading, attention };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const context of this.#contexts.values()) await context.dispose();
    await this.#model.native.dispose();
  }

  #engine(prompt: PromptName, heads: readonly Head[]): Engine {
    const { identity, info } = this.#model;
    const profile = selectProfile(prompt, { ...identity, bosText: info.bosText, eosText: info.eosText });
    return { model: this.#model, heads: { heads: [...heads], name: "read" }, profile, options: this.#options };
  }

  #context(engine: Engine, { prompt, heads }: Setting): KvContext {
    const key = `${prompt} ${heads.map(headKey).join()}`;
    const context = this.#contexts.get(key) ?? new KvContext(engine, new ListwiseLayout(engine));
    this.#contexts.set(key, context);
    return context;
  }

  #layOut(engine: Engine, documents: readonly RankDocument[], places: readonly number[]): Promise<LaidDocuments> {
    const shown = [...documents];
    for (const [index, place] of places.entries()) shown[place] = documents[index]!;
    const { maxDocumentTokens } = this.#settings;
    return layOutDocuments(engine, new ListwiseLayout(engine), shown, { order: "given", maxDocumentTokens });
  }
}

/** Where each candidate stands in the prompt, best candidate first. */
function placesOf(count: number, order: Setting["order"], key: string): number[] {
  if (order === "shuffled") return permute(count, createHash("sha256").update(key).digest().readUInt32LE(0));
  return Array.from({ length: count }, (_, index) => (order === "best first" ? index : count - 1 - index));
}

/**
 * Reads queries that were not read yet, the first of every set, then the second of every set, until the deadline: all heads
 * at once, so that any head set can be scored from it.
 */
export async function readAll(
  config: Config,
  model: Config["models"][number],
  tasks: readonly OpenTask[],
  { models, folder, until }: { models: string; folder: string; until: number },
): Promise<void> {
  await using reader = await Reader.open(path.join(models, model.file), config);
  const { layers, heads } = reader.identity;
  const asks = [{ name: "query" }, { name: NULL_QUERY, text: NULL_QUERY }];
  const setting: Setting = { prompt: "auto", order: "best last", heads: everyHead(layers, heads), asks };
  for (let round = 0; round < config.queries; round++) {
    for (const { task, topics } of tasks) {
      const topic = topics[round];
      if (!topic) continue;
      if (Date.now() > until) return;
      const place = placeOf(folder, model.key, task.name, topic.id);
      if (existsSync(`${place}.json`)) continue;
      const read = await reader.read(task, topic, setting);
      if (!read) continue;
      keep(place, read.reading, read.attention);
      console.log(`${model.key} ${round} ${task.name} ${read.reading.promptTokens} tokens ${read.reading.cpuMs} ms`);
    }
  }
}
