import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { InputError, type RankDocument } from "../index.ts";
import { HttpError } from "./failure.ts";
import type { Models, ServedModel } from "./models.ts";

const stored = z.object({
  name: z.string(),
  model: z.string(),
  documents: z.number(),
  created: z.number(),
  /** Differs from one upload to the next. */
  version: z.string().default("1"),
});
/** What is known of a stored corpus without loading it. */
export type StoredCorpus = Omit<z.infer<typeof stored>, "version">;
/** A stored corpus, and where to find it. */
export type FoundCorpus = z.infer<typeof stored> & { file: string; served: ServedModel };

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/;

/**
 * Corpora by name, in a folder: `NAME.corpus` has the cells and the texts, `NAME.json` what it is. Nothing of the folder is
 * remembered, so that several servers may have the same one.
 */
export class CorpusStore {
  readonly #folder: string;
  readonly #models: Models;

  /** @throws InputError `INVALID_ARGUMENT` where the folder is none and cannot be made. */
  constructor(folder: string, models: Models) {
    this.#folder = path.resolve(folder);
    this.#models = models;
    try {
      mkdirSync(this.#folder, { recursive: true });
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code ?? String(error);
      throw new InputError("INVALID_ARGUMENT", `Cannot keep corpora in ${this.#folder} (${reason})`, {
        ...{ option: "corpora", expected: "a folder", cause: error },
      });
    }
  }

  async list(): Promise<StoredCorpus[]> {
    const files = new Set(await readdir(this.#folder));
    const names = [...files]
      .filter((file) => file.endsWith(".json"))
      .map((file) => file.slice(0, -".json".length))
      .filter((name) => NAME.test(name) && files.has(`${name}.corpus`));
    const all = await Promise.all(names.toSorted().map((name) => this.#read(name)));
    return all.filter((one) => one !== undefined).map(shown);
  }

  /** @throws HttpError 404, or 409 where its model is not served. */
  async find(name: string): Promise<FoundCorpus> {
    const known = await this.#known(name);
    const served = this.#servedOf(known);
    if (!served) throw new HttpError(409, `Corpus ${name} is of model ${known.model}, which is not served`);
    return { ...known, file: this.#file(name), served };
  }

  /** What is stored under a name, and how much it takes. @throws HttpError 404. */
  async describe(name: string): Promise<StoredCorpus & { bytes: number }> {
    return { ...shown(await this.#known(name)), bytes: await this.#bytes(name) };
  }

  /** Reads documents, in place of what was stored under that name. @throws HttpError 400 for no name. */
  async put(
    name: string,
    served: ServedModel,
    cut: (signal: AbortSignal) => Promise<RankDocument[]>,
    signal: AbortSignal,
  ): Promise<StoredCorpus & { bytes: number }> {
    if (!NAME.test(name)) {
      throw new HttpError(400, "A corpus is named by at most 100 letters, digits, hyphens and underscores");
    }
    return served.queue.run(async (running) => {
      const engine = await served.engine();
      const documents = await cut(running);
      const file = this.#file(name);
      const corpus = await engine.corpus(documents, {
        ...{ layout: "independent", saveTo: file, force: true, signal: running },
      });
      const facts = {
        ...{ name, model: served.id, documents: documents.length },
        ...{ created: Math.floor(Date.now() / 1000), version: randomUUID() },
      };
      await this.#dropEverywhere(name);
      served.keep(name, facts.version, Promise.resolve(corpus));
      const temporary = `${file}.${facts.version}.tmp`;
      await writeFile(temporary, JSON.stringify(facts), { mode: 0o600 });
      await rename(temporary, this.#facts(name));
      return { ...shown(facts), bytes: await this.#bytes(name) };
    }, signal);
  }

  /** @throws HttpError 404. */
  async remove(name: string): Promise<void> {
    await this.#known(name);
    await rm(this.#facts(name), { force: true });
    await rm(this.#file(name), { force: true });
    await this.#dropEverywhere(name);
  }

  async #known(name: string): Promise<z.infer<typeof stored>> {
    const known = NAME.test(name) ? await this.#read(name) : undefined;
    if (known && (await this.#bytes(name)) > 0) return known;
    // Another server may have removed it.
    await this.#dropEverywhere(name);
    throw new HttpError(404, `There is no corpus ${JSON.stringify(name.slice(0, 100))}`);
  }

  /** What `NAME.json` says; undefined of a file that is none of ours. */
  async #read(name: string): Promise<z.infer<typeof stored> | undefined> {
    const text = await readFile(this.#facts(name), "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
    if (text === undefined) return undefined;
    try {
      return { ...stored.parse(JSON.parse(text)), name };
    } catch {
      return undefined;
    }
  }

  #servedOf({ model }: StoredCorpus): ServedModel | undefined {
    return this.#models.list.find(({ id }) => id === model);
  }

  async #dropEverywhere(name: string): Promise<void> {
    for (const model of this.#models.list) await model.drop(name);
  }

  async #bytes(name: string): Promise<number> {
    return (await stat(this.#file(name)).catch(() => undefined))?.size ?? 0;
  }

  #file(name: string): string {
    return path.join(this.#folder, `${name}.corpus`);
  }

  #facts(name: string): string {
    return path.join(this.#folder, `${name}.json`);
  }
}

function shown({ version: _, ...facts }: z.infer<typeof stored>): StoredCorpus {
  return facts;
}
