// Ranks the files of a folder. Knows nothing of Electron, so that it runs in plain Node too.
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { IsolatedRetriever } from "qrhead/isolated";

const TEXT = /\.(md|txt)$/i;

export class FolderRanking {
  #retriever;
  #corpus;
  #texts = [];
  #running;

  /** @param options What IsolatedRetriever.load takes, such as `utilityProcess`, `model` and `modelsDirectory`. */
  static async open(options) {
    return new FolderRanking(await IsolatedRetriever.load(options));
  }

  constructor(retriever) {
    this.#retriever = retriever;
  }

  /** Reads a folder once. Every question after that asks what was read. */
  async read(folder, onProgress) {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile() && TEXT.test(entry.name));
    const names = files.map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name))).sort();
    if (names.length === 0) throw new Error(`${folder} has no .md or .txt files`);
    const texts = await Promise.all(
      names.map(async (id) => ({ id, text: await readFile(path.join(folder, id), "utf8") })),
    );
    const before = this.#corpus;
    // Each file by itself, so that one that is read stays read.
    this.#corpus = await this.#retriever.corpus(texts, { layout: "independent", onProgress });
    this.#texts = texts;
    await before?.dispose();
    return texts.length;
  }

  /** The best files for a question; null where a newer question came meanwhile. */
  async rank(question, topK = 5) {
    this.#running?.abort();
    if (!this.#corpus || question.trim() === "") return [];
    const running = new AbortController();
    this.#running = running;
    try {
      const { results } = await this.#corpus.rank(question, { topK, signal: running.signal });
      return results.map(({ id, index, score }) => ({ id, score, text: this.#texts[index].text.slice(0, 200) }));
    } catch (error) {
      if (running.signal.aborted) return null;
      throw error;
    }
  }

  async close() {
    this.#running?.abort();
    await this.#retriever.dispose();
  }
}
