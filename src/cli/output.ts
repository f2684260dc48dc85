/** Standard output carries results and nothing else; everything said about them goes to standard error. */
export function print(text: string): void {
  process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}

/** One line beside the result, such as a warning or a footer. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** A reader such as `head` that has seen enough closes the pipe: that is no failure. */
export function endQuietlyOnClosedPipe(onFailure: (error: Error) => void): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    onFailure(error);
  });
  process.stderr.on("error", () => {});
}

/** Whether standard output shows styles: a terminal, and nobody asked for none. */
export function showsStyles(): boolean {
  return process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== "dumb";
}

const style = (open: number, close: number) => (text: string) =>
  showsStyles() ? `\u001b[${open}m${text}\u001b[${close}m` : text;

export const bold = style(1, 22);
export const dim = style(2, 22);
export const green = style(32, 39);
export const yellow = style(33, 39);
export const red = style(31, 39);

/** A word that stands out: by style on a terminal, between guillemets elsewhere. */
export function marked(word: string): string {
  return showsStyles() ? `\u001b[1;4m${word}\u001b[22;24m` : `«${word}»`;
}

/** Text of others on one line: it must not move the cursor, colour the terminal or turn the writing around. */
export function oneLine(text: string): string {
  return text
    .replace(/\s+/g, " ")
    .replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, "")
    .trim();
}
