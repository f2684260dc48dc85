import { realpath } from "node:fs/promises";
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
    const texts = await readTexts(asked, { signal });
    const inside: ReadText[] = [];
    for (const text of texts) {
      if (this.#has(await realpath(text.file))) inside.push({ ...text, id: this.#name(text) });
    }
    if (inside.length === 0) throw new InputError("INVALID_INPUT", "Expected a file with text, and there is none");
    return inside;
  }

  /** The path of a file from its root, which is how tools name it. */
  #nameOf(file: string): string {
    const root = this.#roots.find((one) => isInside(one, file));
    return root === undefined ? file : path.relative(root, file).split(path.sep).join("/") || path.basename(file);
  }

  #name({ id, file, line }: ReadText): string {
    // A document of a JSON file has the file's name and its own.
    return line === undefined ? this.#nameOf(file) : `${this.#nameOf(file)}:${id.slice(id.lastIndexOf(":") + 1)}`;
  }

  #has(file: string): boolean {
    return this.#roots.some((root) => isInside(root, file));
  }

  async #resolve(asked: string): Promise<string> {
    const candidates = this.#roots.map((root) => path.resolve(root, asked));
    for (const candidate of candidates) {
      const found = await realpath(candidate).catch(() => undefined);
      if (found !== undefined && this.#has(found)) return found;
    }
    // Whether something is there outside is nobody's business.
    throw new InputError("INVALID_INPUT", `There is no ${JSON.stringify(asked.slice(0, 200))} in the served folders`);
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
