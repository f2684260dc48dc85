import { type FileHandle, open, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Database as SqliteDatabase } from "node-sqlite3-wasm";
import { InputError } from "../errors.ts";
import { temporaryFolder } from "../util/temporary-folder.ts";
import { copyDatabase, writeIndex } from "./file.ts";
import { OPENING, SCHEMA } from "./schema.ts";

type Value = number | string | Uint8Array | null;
export type Row = Record<string, Value>;

/** Loaded with the first index: it compiles WebAssembly of a megabyte. */
let sqlite: typeof import("node-sqlite3-wasm") | undefined;

/**
 * The tables of an index, in a copy of its own: SQLite in WebAssembly locks a file by a folder beside it, which a process that
 * is killed leaves behind, and readers would wait for each other. So the file of the index is read once and never written to;
 * a new one takes its place.
 */
export class Database {
  readonly #index: string;
  readonly #folder: string;
  readonly #handle: SqliteDatabase;
  /** The same file, to be read as it is. */
  readonly #source: FileHandle;
  readonly #statements = new Map<string, ReturnType<SqliteDatabase["prepare"]>>();

  private constructor(index: string, folder: string, handle: SqliteDatabase, source: FileHandle) {
    this.#index = index;
    this.#folder = folder;
    this.#handle = handle;
    this.#source = source;
  }

  /**
   * @returns Undefined where there is no file, unless an empty one is wanted.
   * @throws What `copyDatabase` and `temporaryFolder` throw.
   */
  static async open(index: string, options: { signal?: AbortSignal | undefined }): Promise<Database | undefined>;
  static async open(index: string, options: { signal?: AbortSignal | undefined; empty: true }): Promise<Database>;
  static async open(
    index: string,
    { signal, empty = false }: { signal?: AbortSignal | undefined; empty?: boolean },
  ): Promise<Database | undefined> {
    const folder = await temporaryFolder("index");
    const forget = () => rm(folder, { recursive: true, force: true });
    const file = path.join(folder, "database");
    try {
      const isThere = await copyDatabase(index, file, signal);
      if (!isThere && !empty) {
        await forget();
        return undefined;
      }
      sqlite ??= createRequire(import.meta.url)("node-sqlite3-wasm") as typeof import("node-sqlite3-wasm");
      const handle = new sqlite.Database(file);
      const database = new Database(index, folder, handle, await open(file));
      database.#do(() => handle.exec(isThere ? OPENING : OPENING + SCHEMA));
      // Remove the name of the open copy, so that a killed process leaves nothing. Windows keeps the name.
      await forget().catch(() => {});
      return database;
    } catch (error) {
      await forget();
      throw error;
    }
  }

  all(sql: string, values: readonly Value[] = []): Row[] {
    return this.#do(() => this.#prepare(sql).all([...values])) as Row[];
  }

  get(sql: string, values: readonly Value[] = []): Row | undefined {
    return this.all(sql, values)[0];
  }

  /** Does a statement. @returns The id of the row that it added, if it did. */
  run(sql: string, values: readonly Value[] = []): number {
    return Number(this.#do(() => this.#prepare(sql).run([...values])).lastInsertRowid);
  }

  /** Makes the index file of what it holds. */
  async save(signal: AbortSignal | undefined): Promise<void> {
    await writeIndex(this.#index, this.#source, signal);
  }

  /** Idempotent. */
  async close(): Promise<void> {
    if (this.#handle.isOpen) {
      for (const statement of this.#statements.values()) statement.finalize();
      this.#handle.close();
      await this.#source.close();
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  #prepare(sql: string) {
    const known = this.#statements.get(sql) ?? this.#handle.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }

  /** The digest of the copy was right, so the index is not at fault if SQLite fails. The disk is usually full. */
  #do<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      const { message } = error as Error;
      throw new InputError("INVALID_INPUT", `Index ${this.#index} cannot be opened in ${tmpdir()}: ${message}`, {
        ...{ cause: error, advice: "make room there, or set TMPDIR to another folder" },
      });
    }
  }
}
