import { InputError } from "../../errors.ts";
import { deepestLayer } from "../../heads/heads.ts";
import { fingerprint } from "../../model/fingerprint.ts";
import type { CellState } from "../../native/addon-types.ts";
import type { Trunk } from "../../prompt/layout.ts";
import type { RankDocument } from "../../types.ts";
import type { Engine } from "../engine.ts";
import type { Kept } from "../kept.ts";
import type { SavedCells } from "../layout.ts";
import { assertCorpusFits, type CorpusTerms, mismatch } from "./checks.ts";
import { type CorpusFile, type CorpusHeader, openCorpusFile, writeCorpusFile } from "./file.ts";
import type { CorpusOptions } from "./options.ts";

/** What is saved of a corpus. */
export type CorpusContents = {
  documents: readonly RankDocument[];
  settings: CorpusOptions;
  nullQuery: string;
  trunk: Trunk;
  /** Names of the cells, in the order that they are written in. */
  keys: readonly string[];
};

/** A corpus on disk: its documents, and the cells that they were read into. */
export class SavedDocuments implements SavedCells {
  readonly #engine: Engine;
  readonly #file: string;
  readonly #header: CorpusHeader;
  readonly #digest: string;
  /** The file, open and not used yet. */
  #opened: CorpusFile | undefined;
  #kept: Kept | undefined;
  #keys: readonly string[] = [];

  private constructor(engine: Engine, file: string, header: CorpusHeader, digest: string) {
    this.#engine = engine;
    this.#file = file;
    this.#header = header;
    this.#digest = digest;
  }

  /** @throws InputError as `openCorpusFile`. */
  static async open(engine: Engine, file: string, signal: AbortSignal | undefined): Promise<SavedDocuments> {
    const opened = await openCorpusFile(engine.model.library.addon, file, signal);
    const saved = new SavedDocuments(engine, file, opened.header, opened.digest);
    saved.#opened = opened;
    return saved;
  }

  /**
   * Writes a corpus that appears under its name only when it is complete.
   *
   * @param fill Writes the cells, each before it goes on, and returns what is kept beside them.
   * @throws InputError as `writeCorpusFile`.
   */
  static async write(
    engine: Engine,
    file: string,
    contents: CorpusContents,
    options: { force: boolean; signal: AbortSignal | undefined },
    fill: (write: (state: CellState) => Promise<void>) => Promise<Kept | undefined>,
  ): Promise<SavedDocuments> {
    const { settings, trunk, documents, keys, nullQuery } = contents;
    const { order = "given", layout = "listwise", maxDocumentTokens } = settings;
    const header: CorpusHeader = {
      ...(await termsOf(engine, nullQuery)),
      ...{ layout, order },
      ...(maxDocumentTokens !== undefined && { maxDocumentTokens }),
      tokens: trunk.key,
      documents: [...documents],
    };
    const digest = await writeCorpusFile(file, header, fill, options);
    const saved = new SavedDocuments(engine, file, header, digest);
    saved.#keys = keys;
    return saved;
  }

  get documents(): RankDocument[] {
    return this.#header.documents as RankDocument[];
  }

  get settings(): CorpusOptions {
    const { order, layout, maxDocumentTokens } = this.#header;
    return { order, layout, ...(maxDocumentTokens !== undefined && { maxDocumentTokens }) };
  }

  get keys(): readonly string[] {
    return this.#keys;
  }

  /** @throws InputError `CORPUS_MISMATCH` for one that another model, other options or other heads made. */
  async assertFits(nullQuery: string): Promise<void> {
    assertCorpusFits(this.#file, this.#header, await termsOf(this.#engine, nullQuery));
  }

  /** Says what its cells are of. @throws InputError `CORPUS_MISMATCH` where it was saved with other tokens. */
  attach(trunk: Trunk, keys: readonly string[]): void {
    if (trunk.key !== this.#header.tokens) {
      throw mismatch(this.#file, "has other tokens than its documents have here", "save it again");
    }
    this.#keys = keys;
  }

  /** The cells, if the file is still the one that was written or loaded. */
  async open(signal: AbortSignal | undefined): Promise<AsyncIterable<CellState> | undefined> {
    const opened = this.#opened;
    this.#opened = undefined;
    this.#kept = opened?.kept;
    if (opened) return opened.states(signal);
    try {
      const again = await openCorpusFile(this.#engine.model.library.addon, this.#file, signal);
      if (again.digest === this.#digest) {
        this.#kept = again.kept;
        return again.states(signal);
      }
      await again.close();
      return undefined;
    } catch (error) {
      signal?.throwIfAborted();
      // The file is gone or has changed. The documents are in memory and can be read again.
      if (error instanceof InputError) return undefined;
      throw error;
    }
  }

  takeKept(trunk: Trunk): Kept | undefined {
    const kept = this.#kept;
    this.#kept = undefined;
    return trunk.key === this.#header.tokens ? kept : undefined;
  }

  async close(): Promise<void> {
    await this.#opened?.close();
    this.#opened = undefined;
  }
}

async function termsOf({ model, heads, profile, options }: Engine, nullQuery: string): Promise<CorpusTerms> {
  const { cacheTypeK = "f16", cacheTypeV = "f16", flashAttention = true, earlyStop = true } = options;
  return {
    llama: model.library.info.version,
    model: { name: model.identity.name, fingerprint: await fingerprint(model) },
    prompt: profile.name,
    nullQuery,
    ...{ cacheTypeK, cacheTypeV, flashAttention },
    deepestLayer: earlyStop ? deepestLayer(heads.heads) : model.info.layers - 1,
  };
}
