import { stat } from "node:fs/promises";
import path from "node:path";
import {
  type BuiltInName,
  builtInModel,
  InputError,
  QRRetriever,
  type RankDocument,
  type Retriever,
  type RetrieverCorpus,
} from "../index.ts";
import { IsolatedRetriever } from "../isolate/index.ts";
import { HttpError } from "./failure.ts";
import type { Metrics } from "./metrics.ts";
import { DEFAULTS, type ServeOptions } from "./options.ts";
import { Queue } from "./queue.ts";

/** What the server asks of a retriever, in this process or another one. */
export type Engine = Retriever & { readonly restarts?: number };
/** What is served where no model is named. */
const BUILT_IN: BuiltInName = "mini";

export type EngineCorpus = RetrieverCorpus<RankDocument>;

/** A model that is served: loaded when it is asked for, and unloaded when nobody asks or room is needed. */
export class ServedModel {
  readonly id: string;
  readonly source: string;
  readonly queue: Queue;
  readonly #load: () => Promise<Engine>;
  #engine: Promise<Engine> | undefined;
  #loaded: Engine | undefined;
  #corpora = new Map<string, { version: string; corpus: Promise<EngineCorpus> }>();
  /** Restarts of engines that were unloaded. */
  #restarts = 0;
  /** Bytes of its file; 0 while it is not known. */
  bytes = 0;
  lastUsed = 0;

  constructor(id: string, source: string, queue: Queue, load: () => Promise<Engine>) {
    this.id = id;
    this.source = source;
    this.queue = queue;
    this.#load = load;
  }

  get isLoaded(): boolean {
    return this.#loaded !== undefined;
  }

  get restarts(): number {
    return this.#restarts + (this.#loaded?.restarts ?? 0);
  }

  engine(): Promise<Engine> {
    this.lastUsed = performance.now();
    this.#engine ??= this.#load().then(
      (engine) => {
        this.#loaded = engine;
        return engine;
      },
      (error: unknown) => {
        this.#engine = undefined;
        throw error;
      },
    );
    return this.#engine;
  }

  /** A corpus of a file, loaded once; another version of it, in place of the one before. */
  async corpus({ name, version, file }: { name: string; version: string; file: string }): Promise<EngineCorpus> {
    const known = this.#corpora.get(name);
    if (known?.version === version) return known.corpus;
    await this.drop(name);
    const loading = this.engine().then((engine) => engine.loadCorpus(file));
    this.keep(name, version, loading);
    loading.catch(() => this.#corpora.get(name)?.corpus === loading && this.#corpora.delete(name));
    return loading;
  }

  keep(name: string, version: string, corpus: Promise<EngineCorpus>): void {
    this.#corpora.set(name, { version, corpus });
  }

  async drop(name: string): Promise<void> {
    const known = this.#corpora.get(name);
    this.#corpora.delete(name);
    await (await known?.corpus.catch(() => undefined))?.dispose();
  }

  async unload(): Promise<void> {
    const engine = this.#engine;
    this.#restarts += this.#loaded?.restarts ?? 0;
    this.#engine = undefined;
    this.#loaded = undefined;
    this.#corpora.clear();
    await (await engine?.catch(() => undefined))?.dispose();
  }
}

/** The models of a server, and how many of them are in memory. */
export class Models {
  readonly list: ServedModel[];
  readonly #options: ServeOptions;
  #loading: Promise<void> = Promise.resolve();
  readonly #sweep: NodeJS.Timeout | undefined;

  /** @throws InputError for two models of one name. */
  constructor(options: ServeOptions, metrics: Metrics) {
    this.#options = options;
    const { models = [BUILT_IN], queue = DEFAULTS.queue, idle } = options;
    this.list = models.map((source) => {
      const id = nameOf(source);
      const events = {
        onBegin: (waitMs: number) => metrics.waited(id, waitMs),
        onGroup: (queries: number) => metrics.grouped(id, queries),
      };
      const model: ServedModel = new ServedModel(id, source, new Queue(queue, events), () => this.#load(model));
      return model;
    });
    const twice = this.list.find(({ id }, index) => this.list.findIndex((other) => other.id === id) !== index);
    if (twice) throw new InputError("INVALID_ARGUMENT", `Two models are called ${twice.id}: rename one of the files`);
    if (idle !== undefined) this.#sweep = setInterval(() => this.#unloadIdle(idle), Math.min(idle, 10_000)).unref();
  }

  get first(): ServedModel {
    return this.list[0]!;
  }

  /** The model of a name, and the first one for any other: clients of other services send the names of theirs. */
  find(name: string | null | undefined): ServedModel {
    return this.list.find(({ id, source }) => id === name || source === name) ?? this.first;
  }

  async dispose(): Promise<void> {
    clearInterval(this.#sweep);
    await Promise.all(this.list.map((model) => model.unload()));
  }

  /** One after another, so that two loads do not use the same free memory. */
  #load(model: ServedModel): Promise<Engine> {
    const loading = this.#loading.then(() => this.#loadNow(model));
    this.#loading = loading.then(
      () => {},
      () => {},
    );
    return loading;
  }

  async #loadNow(model: ServedModel): Promise<Engine> {
    await this.#makeRoom(model);
    const { load = {}, inProcess = false } = this.#options;
    const options = { ...load, model: model.source };
    const engine: Engine = await (inProcess ? QRRetriever.load(options) : IsolatedRetriever.load(options));
    model.bytes = await sizeOf(engine.model.path);
    // The size of a downloaded or pulled file is known now.
    await this.#makeRoom(model).catch(() => {});
    this.#warnOfMemory(model);
    return engine;
  }

  /** Warns that the loaded models exceed the limit: the others are busy, or this one alone is larger. */
  #warnOfMemory(model: ServedModel): void {
    const { modelMemory, onWarning } = this.#options;
    const loaded = this.list.filter((one) => one === model || one.isLoaded);
    const held = loaded.reduce((sum, { bytes }) => sum + bytes, 0);
    if (modelMemory === undefined || held <= modelMemory) return;
    const names = loaded.map(({ id }) => id).join(" and ");
    onWarning?.(`Loaded ${names}: ${mib(held)} of model files, with ${mib(modelMemory)} allowed`);
  }

  /** Unloads models, those first that were asked least recently, until this one fits. */
  async #makeRoom(model: ServedModel): Promise<void> {
    const { modelMemory } = this.#options;
    if (modelMemory === undefined) return;
    const needed = model.bytes || (await sizeOf(fileOf(model.source)));
    const others = this.list.filter((other) => other !== model && other.isLoaded);
    let held = others.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const other of others.toSorted((a, b) => a.lastUsed - b.lastUsed)) {
      if (held + needed <= modelMemory) return;
      if (other.queue.busy) continue;
      held -= other.bytes;
      await other.unload();
    }
    if (held > 0 && held + needed > modelMemory) {
      throw new HttpError(503, `There is no room for ${model.id} while other models are busy`, undefined, 1);
    }
  }

  #unloadIdle(idle: number): void {
    for (const model of this.list) {
      const isIdle = model.isLoaded && !model.queue.busy && performance.now() - model.lastUsed > idle;
      if (isIdle) void model.unload().catch(() => {});
    }
  }
}

/** File name without its ending, and of a built-in or downloaded model likewise. */
function nameOf(source: string): string {
  return path.posix.basename(source.replaceAll("\\", "/")).replace(/\.gguf$/i, "");
}

/** The file of a model before it is loaded; of what is found by another name, none that exists. */
function fileOf(source: string): string {
  try {
    return source === "mini" || source === "base" ? builtInModel(source) : source;
  } catch {
    // Loading reports that base is not installed.
    return source;
  }
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.size ?? 0;
}
