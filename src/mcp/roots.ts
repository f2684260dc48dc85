import { realpath, stat } from "node:fs/promises";
import path from "node:path";
import { InputError, type ReadText, readTexts } from "../index.ts";

/** The folders that tools may read, and nothing outside them. */
export class Roots {
  readonly #roots: readonly string[];

  private constructor(roots: readonly string[]) {
    this.#roots = roots;
  }

  /** @throws InputError for a folder that does not exist. */
  static async open(folders: readonly string[]): Promise<Roots> {
    if (folders.length === 0) throw new InputError("INVALID_ARGUMENT", "Expected a folder to serve: pass --root DIR");
    return new Roots(await Promise.all(folders.map((folder) => real(folder, `Root ${folder}`))));
  }

  /**
   * Texts of files and folders; without any, of all roots. Links that lead out of the roots are left out of folders.
   *
   * @param paths Absolute, or from the first root that has them.
   * @throws InputError for a path outside the roots, or none, and what `readTexts` throws.
   */
  async read(paths: readonly string[] | undefined, signal: AbortSignal): Promise<ReadText[]> {
    const asked = paths?.length ? await Promise.all(paths.map((one) => this.#resolve(one))) : [...this.#roots];
    const texts = await readTexts([...new Set(asked)], { signal });
    const inside = new Map<string, ReadText>();
    for (const text of texts) {
      const file = await realpath(text.file);
      if (!this.#has(file)) continue;
      const id = await this.#name({ ...text, file });
      // One file may be below several of what was asked for, and have links.
      if (!inside.has(id)) inside.set(id, { ...text, id });
    }
    if (inside.size === 0) throw new InputError("INVALID_INPUT", "Expected a file with text, and there is none");
    return [...inside.values()];
  }

  /** How tools name a file, and how they find it again: its path from its root, and in full where another root comes first. */
  async #nameOf(file: string): Promise<string> {
    const root = this.#roots.find((one) => isInside(one, file));
    if (root === undefined) return file;
    const name = path.relative(root, file).split(path.sep).join("/") || path.basename(file);
    return (await this.#find(name)) === (await realpath(file)) ? name : file;
  }

  async #name({ id, file, line }: ReadText): Promise<string> {
    const name = await this.#nameOf(file);
    // A document of a JSON file has the file's name and its own.
    return line === undefined ? name : `${name}:${id.slice(id.lastIndexOf(":") + 1)}`;
  }

  #has(file: string): boolean {
    return this.#roots.some((root) => isInside(root, file));
  }

  async #resolve(asked: string): Promise<string> {
    const found = await this.#find(asked);
    if (found !== undefined) return found;
    // The error does not say whether the path outside exists.
    throw new InputError("INVALID_INPUT", `There is no ${JSON.stringify(asked.slice(0, 200))} in the served folders`);
  }

  /** The file or folder of a path in the first root that has it. Reading a pipe or a device might never end. */
  async #find(asked: string): Promise<string | undefined> {
    for (const root of this.#roots) {
      const found = await realpath(path.resolve(root, asked)).catch(() => undefined);
      if (found === undefined || !this.#has(found)) continue;
      const kind = await stat(found).catch(() => undefined);
      if (kind?.isFile() || kind?.isDirectory()) return found;
    }
    return undefined;
  }
}

function isInside(root: string, file: string): boolean {
  const relative = path.relative(root, file);
  return relative === "" || !(relative === ".." || relative.startsWith(`..${path.sep}`) || path.isAbsolute(relative));
}

async function real(folder: string, name: string): Promise<string> {
  try {
    return await realpath(folder);
  } catch (error) {
    throw new InputError("INVALID_INPUT", `${name} does not exist`, { cause: error });
  }
}
