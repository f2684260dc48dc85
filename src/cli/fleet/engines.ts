/** What a worker has loaded: one thing at a time, since a machine may not hold two models. */
export class OneEngine implements AsyncDisposable {
  #key: string | undefined;
  #loaded: Promise<AsyncDisposable> | undefined;

  /** What was loaded last for this key, or what `open` loads, once the one before has been freed. */
  async use<T extends AsyncDisposable>(key: string, open: () => Promise<T>): Promise<T> {
    if (this.#key === key && this.#loaded) return (await this.#loaded) as T;
    await this[Symbol.asyncDispose]();
    this.#key = key;
    this.#loaded = open();
    try {
      return (await this.#loaded) as T;
    } catch (error) {
      this.#loaded = undefined;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const before = this.#loaded;
    this.#loaded = undefined;
    await (await before?.catch(() => undefined))?.[Symbol.asyncDispose]();
  }
}
