import { randomInt } from "node:crypto";
import { UNPRINTABLE } from "../util/unprintable.ts";
import { withFlags } from "./flag-words.ts";

/**
 * The one place that writes to standard output and standard error. Standard output carries results and nothing else;
 * everything said about them goes to standard error. Text for people is made printable here, since names, messages and
 * documents come from files of others.
 */

/** Parameter that marks styles as ours: no file can know it. */
const OURS = String(randomInt(1e8, 1e9));
const OUR_STYLE = new RegExp(`(\\u001b\\[[\\d;]*);${OURS}m`);
const RESET = "\u001b[0m";

/** Prints text for people, a line at least. */
export function print(text: string): void {
  process.stdout.write(printable(text.endsWith("\n") ? text : `${text}\n`));
}

/** A part of a text that is still being written, such as an answer. Unchanged into a file or a pipe, printable on a terminal. */
export function write(text: string): void {
  process.stdout.write(process.stdout.isTTY ? printable(text) : text);
}

/** A result that is text itself, such as what pruning keeps: as `write`, a line at least. */
export function printText(text: string): void {
  write(text.endsWith("\n") ? text : `${text}\n`);
}

export function printJson(value: unknown): void {
  const escaped = (sign: string) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`;
  process.stdout.write(`${JSON.stringify(value).replace(UNPRINTABLE, escaped)}\n`);
}

/** One line beside the result, such as a footer. */
export function note(text: string): void {
  process.stderr.write(printable(`${text}\n`));
}

/** A question on standard error, which no line end follows. */
export function writeAside(text: string): void {
  process.stderr.write(printable(text));
}

/** A warning of the library or of a command. `--quiet` does not silence it: the result may not be what it seems. */
export function warn(text: string): void {
  note(`qrhead: warning: ${oneLine(withFlags(text))}`);
}

/** Text without anything that moves the cursor, colours the terminal or turns the writing around, but our own styles. */
export function printable(text: string): string {
  const parts = text.split(OUR_STYLE);
  const clean = parts.map((part, index) => (index % 2 === 1 ? `${part}m` : part.replace(UNPRINTABLE, ""))).join("");
  // A cell that was cut may have lost the end of its style.
  return parts.length > 1 ? clean.replace(/(\n?)$/, `${RESET}$1`) : clean;
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

const style = (open: string, close: string) => (text: string) =>
  showsStyles() ? `\u001b[${open};${OURS}m${text}\u001b[${close};${OURS}m` : text;

export const bold = style("1", "22");
export const dim = style("2", "22");
export const green = style("32", "39");
export const yellow = style("33", "39");
export const red = style("31", "39");
const emphasized = style("1;4", "22;24");

/** A word that stands out: by style on a terminal, between guillemets elsewhere. */
export function marked(word: string): string {
  return showsStyles() ? emphasized(word) : `«${word}»`;
}

/** Text of others on one line. */
export function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").replace(UNPRINTABLE, "").trim();
}
