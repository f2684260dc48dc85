import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { InputError, type RankDocument } from "../index.ts";
import { lockFile } from "../util/lock.ts";
import { HttpError } from "./failure.ts";
import type { EngineCorpus, Models, ServedModel } from "./models.ts";

const stored = z.object({
  name: z.string(),
  model: z.string(),
  documents: z.number(),
  created: z.number(),
  /** Differs from one upload to the next, and is in the name of the file. */
  version: z.uuid(),
});
/** What is known of a stored corpus without loading it. */
export type StoredCorpus = Omit<z.infer<typeof stored>, "version">;
type Version = { name: string; version: string };
/** A stored corpus, and where to find it. */
export type FoundCorpus = z.infer<typeof stored> & { file: string; served: ServedModel };

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/;
const ID = "[0-9a-f-]{36}";
/** How often a corpus is opened that others store anew meanwhile. */
const MOST_TRIES = 5;
/** From when on a file that no `NAME.json` names is one that an ended server has left behind. */
const STALE_MS = 24 * 3600 * 1000;

/**
 * Corpora by name, in a folder: `NAME.VERSION.corpus` has the cells and the texts, `NAME.json` what it is and which version
 * counts. A file of cells never changes, and `NAME.json` is replaced at once: whichever server comes last, and wherever one
 * ends, both are of one upload. Nothing of the folder is remembered, so that several servers may have the same one.
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
      .filter((name) => NAME.test(name));
    const all = await Promise.all(names.toSorted().map((name) => this.#read(name)));
    return all.filter((one) => one !== undefined).map(shown);
  }

  /** @throws HttpError 404, or 409 where its model is not served. */
  async find(name: string): Promise<FoundCorpus> {
    const known = await this.#known(name);
    const served = this.#servedOf(known);
    if (!served) throw new HttpError(409, `Corpus ${name} is of model ${known.model}, which is not served`);
    return { ...known, file: this.#file(known), served };
  }

  /**
   * A corpus of a model, as it was stored last.
   *
   * @throws HttpError 404, or 409 where its model is not served; what loading it throws.
   */
  async open(name: string, model: ServedModel): Promise<EngineCorpus> {
    for (let attempt = 1; ; attempt++) {
      const found = await this.find(name);
      try {
        return await model.corpus(found);
      } catch (error) {
        const now = await this.#read(name);
        // Another server may have removed the file between the two.
        if (now?.version === found.version || attempt >= MOST_TRIES) throw error;
      }
    }
  }

  /** What is stored under a name, and how much it takes. @throws HttpError 404. */
  async describe(name: string): Promise<StoredCorpus & { bytes: number }> {
    const known = await this.#known(name);
    return { ...shown(known), bytes: await this.#bytes(known) };
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
      const version = randomUUID();
      const file = this.#file({ name, version });
      const corpus = await engine.corpus(documents, { layout: "independent", saveTo: file, signal: running });
      const facts = {
        ...{ name, model: served.id, documents: documents.length },
        ...{ created: Math.floor(Date.now() / 1000), version },
      };
      const bytes = await this.#bytes(facts);
      try {
        await this.#publish(facts, running);
      } catch (error) {
        await corpus.dispose();
        await remove(file);
        throw error;
      }
      await this.#dropEverywhere(name);
      served.keep(name, version, Promise.resolve(corpus));
      return { ...shown(facts), bytes };
    }, signal);
  }

  /** Makes a version the one that counts, and removes those before it. */
  async #publish(facts: z.infer<typeof stored>, signal: AbortSignal): Promise<void> {
    const { name, version } = facts;
    // Of two uploads at once, the later one must see the file of the earlier one.
    const unlock = await lockFile(this.#facts(name), { wait: true, signal });
    const temporary = `${this.#facts(name)}.${version}.tmp`;
    try {
      const before = await this.#read(name);
      await writeFile(temporary, JSON.stringify(facts), { mode: 0o600 });
      await rename(temporary, this.#facts(name));
      if (before) await remove(this.#file(before));
      await this.#sweep(name, version);
    } catch (error) {
      await remove(temporary);
      throw error;
    } finally {
      unlock();
    }
  }

  /** Removes what servers that ended have left of a name. */
  async #sweep(name: string, version?: string): Promise<void> {
    const left = new RegExp(`^${name}\\.(${ID}\\.corpus|json\\.${ID}\\.tmp)$`);
    for (const one of await readdir(this.#folder).catch(() => [])) {
      const file = path.join(this.#folder, one);
      if (!left.test(one) || (version !== undefined && one.includes(version))) continue;
      const found = await stat(file).catch(() => undefined);
      if (found && Date.now() - found.mtimeMs > STALE_MS) await remove(file);
    }
  }

  /** @throws HttpError 404. */
  async remove(name: string): Promise<void> {
    await this.#known(name);
    const unlock = await lockFile(this.#facts(name), { wait: true });
    try {
      const before = await this.#read(name);
      await rm(this.#facts(name), { force: true });
      if (before) await remove(this.#file(before));
      await this.#sweep(name);
    } finally {
      unlock();
    }
    await this.#dropEverywhere(name);
  }

  async #known(name: string): Promise<z.infer<typeof stored>> {
    const known = NAME.test(name) ? await this.#read(name) : undefined;
    if (known) return known;
    // Another server may have removed it.
    await this.#dropEverywhere(name);
    throw new HttpError(404, `There is no corpus ${JSON.stringify(name.slice(0, 100))}`);
  }

  /** What `NAME.json` says; undefined of a file that is none of ours, or whose corpus is gone. */
  async #read(name: string): Promise<z.infer<typeof stored> | undefined> {
    for (let last: string | undefined; ; ) {
      const text = await readFile(this.#facts(name), "utf8").catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
      });
      const found = text === undefined ? undefined : parsed(text);
      if (!found || found.version === last) return undefined;
      const known = { ...found, name };
      if ((await this.#bytes(known)) > 0) return known;
      // Another server may have replaced it between the two.
      last = known.version;
    }
  }

  #servedOf({ model }: StoredCorpus): ServedModel | undefined {
    return this.#models.list.find(({ id }) => id === model);
  }

  async #dropEverywhere(name: string): Promise<void> {
    for (const model of this.#models.list) await model.drop(name);
  }

  async #bytes(version: Version): Promise<number> {
    return (await stat(this.#file(version)).catch(() => undefined))?.size ?? 0;
  }

  #file({ name, version }: Version): string {
    return path.join(this.#folder, `${name}.${version}.corpus`);
  }

  #facts(name: string): string {
    return path.join(this.#folder, `${name}.json`);
  }
}

function parsed(text: string): z.infer<typeof stored> | undefined {
  try {
    return stored.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Windows does not remove an open file. A later sweep removes it. */
async function remove(file: string): Promise<void> {
  await rm(file, { force: true }).catch(() => {});
}

function shown({ version: _, ...facts }: z.infer<typeof stored>): StoredCorpus {
  return facts;
}
