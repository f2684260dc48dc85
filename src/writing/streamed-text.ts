/**
 * Turns bytes of tokens into text: whole characters only, and nothing that may be the beginning of a stop text.
 *
 * A token may end inside a character, and a text to stop at may begin in one token and end in another.
 */
export class StreamedText {
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  readonly #stops: readonly string[];
  #held = "";
  #ended = false;

  constructor(stops: readonly string[] = []) {
    this.#stops = stops;
  }

  /** Whether a text to stop at came. */
  get ended(): boolean {
    return this.#ended;
  }

  /** What can be shown of the text so far, beyond what was returned before. */
  add(bytes: Uint8Array): string {
    return this.#take(this.#decoder.decode(bytes, { stream: true }), false);
  }

  /** The rest, when no more bytes come; a character that was not ended is U+FFFD. */
  finish(): string {
    return this.#take(this.#decoder.decode(), true);
  }

  #take(text: string, isLast: boolean): string {
    if (this.#ended) return "";
    this.#held += text;
    const found = this.#stops.map((stop) => this.#held.indexOf(stop)).filter((at) => at >= 0);
    this.#ended = found.length > 0;
    const end = this.#ended ? Math.min(...found) : this.#held.length - (isLast ? 0 : this.#tail());
    const shown = this.#held.slice(0, end);
    this.#held = this.#held.slice(end);
    return shown;
  }

  /** Characters at the end that a text to stop at begins with. */
  #tail(): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, this.#held.length); length > longest; length--) {
        if (stop.startsWith(this.#held.slice(-length))) longest = length;
      }
    }
    return longest;
  }
}
