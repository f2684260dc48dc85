import { InputError } from "../errors.ts";

const BYTE_ORDER_MARK = "\uFEFF";

/** Of a text in UTF-16 without a byte order mark about every second byte is zero; of a text in UTF-8 none is. */
const MOST_ZEROS = 0.1;
/** Bytes at the beginning of a file that tell a binary one by a zero byte: git's rule. */
const LOOKED_AT = 8000;
const BINARY = "a binary file, or UTF-16 without a byte order mark";

/** What begins files that are no text, and how a message calls them. None may be the beginning of a text. */
const SIGNATURES: readonly (readonly [latin1: string, kind: string])[] = [
  ["%PDF-", "a PDF"],
  ["PK\u0003\u0004", "a zip archive, as Office documents are"],
  ["\u001f\u008b", "a gzip archive"],
  ["\u0089PNG", "a PNG image"],
  ["\u00ff\u00d8\u00ff", "a JPEG image"],
  ["\u00d0\u00cf\u0011\u00e0", "an old Office document"],
  ["GGUF\u0003\u0000", "a GGUF model"],
];

/**
 * The text of a file: UTF-8, or UTF-16 that begins with a byte order mark. Every reader of text files goes through here, so
 * that none of them takes one encoding for another in silence.
 *
 * @param sourceName What messages call the file.
 * @param options `byteOrderMark: true` leaves the mark in the text, so that offsets are those of the file as Node reads it.
 * Defaults to `false`: it is no part of the text.
 * @throws InputError `INVALID_INPUT` for another encoding, naming the line, and for a file that is no text, naming its kind.
 */
export function decodeText(bytes: Uint8Array, sourceName: string, { byteOrderMark = false } = {}): string {
  const kind = signatureOf(bytes);
  if (kind !== undefined) throw refused(sourceName, "", whyNoText(kind));
  const text = decode(bytes, sourceName);
  return byteOrderMark || !text.startsWith(BYTE_ORDER_MARK) ? text : text.slice(1);
}

/** Why a file is no text, such as `"is not text but a PDF: …"`, by its first bytes; undefined for what may be one. */
export function whyBinary(bytes: Uint8Array): string | undefined {
  const kind = signatureOf(bytes);
  if (kind !== undefined) return whyNoText(kind);
  if (utf16Of(bytes) !== undefined) return undefined;
  return bytes.subarray(0, LOOKED_AT).includes(0) ? whyNoText(BINARY) : undefined;
}

/** The same, and of a file without anything but white space that it is empty. */
export function whyWithoutText(bytes: Uint8Array): string | undefined {
  const binary = whyBinary(bytes);
  if (binary !== undefined) return binary;
  // What is no valid text is not empty either: reading it says what is wrong. A character may be cut at the end of the first part.
  const isBlank = (part: Uint8Array) =>
    new TextDecoder(utf16Of(bytes) ?? "utf-8").decode(part, { stream: part.length < bytes.length }).trim() === "";
  return isBlank(bytes.subarray(0, LOOKED_AT)) && isBlank(bytes) ? "is empty" : undefined;
}

function whyNoText(kind: string): string {
  const advice = kind === "a PDF" ? "extract its text first, such as with pdftotext" : "pass a text file in UTF-8";
  return `is not text but ${kind}: ${advice}`;
}

/** The lines of a text, without their ends: LF, CRLF, or CR alone. */
export function splitLines(text: string): string[] {
  return text.split(/\r\n|\n|\r/);
}

function signatureOf(bytes: Uint8Array): string | undefined {
  const start = Buffer.from(bytes.subarray(0, 8)).toString("latin1");
  return SIGNATURES.find(([signature]) => start.startsWith(signature))?.[1];
}

function utf16Of([first, second, third, fourth]: Uint8Array): "utf-16le" | "utf-16be" | undefined {
  if (first === 0xff && second === 0xfe && !(third === 0 && fourth === 0)) return "utf-16le";
  return first === 0xfe && second === 0xff ? "utf-16be" : undefined;
}

function decode(bytes: Uint8Array, sourceName: string): string {
  const utf16 = utf16Of(bytes);
  if (utf16) {
    try {
      return new TextDecoder(utf16, { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw refused(sourceName, "", "is not valid UTF-16: save the file as UTF-8");
    }
  }
  const text = decodeUtf8(bytes, sourceName);
  const start = bytes.subarray(0, LOOKED_AT);
  const zeros = start.reduce((count, byte) => count + Number(byte === 0), 0);
  if (zeros > MOST_ZEROS * start.length) {
    throw refused(sourceName, "", whyNoText(BINARY));
  }
  return text;
}

function decodeUtf8(bytes: Uint8Array, sourceName: string): string {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  try {
    return decoder.decode(bytes);
  } catch {
    const reason = whyBinary(bytes);
    if (reason !== undefined) throw refused(sourceName, "", reason);
    // The whole failed, so one line does: no UTF-8 character holds the byte of a line break.
    for (let begin = 0, line = 1; begin <= bytes.length; line++) {
      const end = lineEnd(bytes, begin);
      try {
        decoder.decode(bytes.subarray(begin, end));
      } catch {
        throw refused(sourceName, `line ${line}`, "is not valid UTF-8: save the file as UTF-8");
      }
      begin = end + (bytes[end] === CR && bytes[end + 1] === LF ? 2 : 1);
    }
    throw refused(sourceName, "", "cannot be decoded: it is too large for one text");
  }
}

const [LF, CR] = [0x0a, 0x0d];

function lineEnd(bytes: Uint8Array, begin: number): number {
  let end = begin;
  while (end < bytes.length && bytes[end] !== LF && bytes[end] !== CR) end++;
  return end;
}

function refused(sourceName: string, position: string, what: string): InputError {
  return new InputError("INVALID_INPUT", `${[sourceName, position].filter(Boolean).join(", ")} ${what}`);
}
