/** Longest interval that a timer takes. */
const LONG_MS = 2 ** 31 - 1;

/** Keeps the process running while it waits for something without a handle of its own. */
export class KeepAlive {
  #count = 0;
  #timer: NodeJS.Timeout | undefined;

  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#count += 1;
    this.#timer ??= setInterval(() => {}, LONG_MS);
    try {
      return await work();
    } finally {
      this.#count -= 1;
      if (this.#count === 0) {
        clearInterval(this.#timer);
        this.#timer = undefined;
      }
    }
  }
}
