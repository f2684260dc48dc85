import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import type { RankDocument } from "../index.ts";
import { HttpError } from "./failure.ts";
import type { Models, ServedModel } from "./models.ts";

/** What is known of a stored corpus without loading it. */
export type StoredCorpus = { name: string; model: string; documents: number; created: number };

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/;

/** Corpora by name, in a folder: `NAME.corpus` has the cells and the texts, `NAME.json` what it is. */
export class CorpusStore {
  readonly #folder: string;
  readonly #models: Models;
  readonly #known = new Map<string, StoredCorpus>();

  /** Finds what an earlier server stored there. */
  constructor(folder: string, models: Models) {
    this.#folder = path.resolve(folder);
    this.#models = models;
    mkdirSync(this.#folder, { recursive: true });
    const files = readdirSync(this.#folder);
    for (const file of files) {
      const name = file.replace(/\.json$/, "");
      if (name === file || !NAME.test(name) || !files.includes(`${name}.corpus`)) continue;
      this.#known.set(name, { ...JSON.parse(readFileSync(path.join(this.#folder, file), "utf8")), name });
    }
  }

  get list(): StoredCorpus[] {
    return [...this.#known.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @throws HttpError 404. */
  find(name: string): StoredCorpus & { file: string; served: ServedModel } {
    const known = this.#known.get(name);
    if (!known) throw new HttpError(404, `There is no corpus ${JSON.stringify(name.slice(0, 100))}`);
    const served = this.#models.list.find(({ id }) => id === known.model);
    if (!served) throw new HttpError(409, `Corpus ${name} is of model ${known.model}, which is not served`);
    return { ...known, file: this.#file(name), served };
  }

  /** Reads documents, in place of what was stored under that name. */
  async put(
    name: string,
    served: ServedModel,
    cut: (signal: AbortSignal) => Promise<RankDocument[]>,
    signal: AbortSignal,
  ): Promise<StoredCorpus> {
    if (!NAME.test(name)) {
      throw new HttpError(400, "A corpus is named by at most 100 letters, digits, hyphens and underscores");
    }
    return served.queue.run(async (running) => {
      const engine = await served.engine();
      const documents = await cut(running);
      const before = this.#known.get(name);
      const file = this.#file(name);
      const corpus = await engine.corpus(documents, {
        ...{ layout: "independent", saveTo: file, force: true, signal: running },
      });
      if (before) await this.#models.list.find(({ id }) => id === before.model)?.drop(name);
      served.keep(name, Promise.resolve(corpus));
      const stored = { name, model: served.id, documents: documents.length, created: Math.floor(Date.now() / 1000) };
      await writeFile(`${file}.tmp`, JSON.stringify(stored), { mode: 0o600 });
      await rename(`${file}.tmp`, this.#facts(name));
      this.#known.set(name, stored);
      return stored;
    }, signal);
  }

  async remove(name: string): Promise<void> {
    const { model } = this.#known.get(name) ?? this.find(name);
    this.#known.delete(name);
    await rm(this.#facts(name), { force: true });
    await rm(this.#file(name), { force: true });
    await this.#models.list.find(({ id }) => id === model)?.drop(name);
  }

  async bytes(name: string): Promise<number> {
    return (await stat(this.#file(name)).catch(() => undefined))?.size ?? 0;
  }

  #file(name: string): string {
    return path.join(this.#folder, `${name}.corpus`);
  }

  #facts(name: string): string {
    return path.join(this.#folder, `${name}.json`);
  }
}
