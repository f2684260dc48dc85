import { describe, expect, it } from "vitest";
import { decodeText, splitLines, whyBinary, whyWithoutText } from "../../src/util/text-file.ts";

const utf16le = (text: string) => Buffer.from(`\uFEFF${text}`, "utf16le");
const utf16be = (text: string) => utf16le(text).swap16();

describe("decodeText", () => {
  it.each<[string, Uint8Array]>([
    ["UTF-8", Buffer.from("Café 日本\n")],
    ["UTF-8 with a byte order mark", Buffer.from("\uFEFFCafé 日本\n")],
    ["UTF-16LE, as PowerShell 5 writes it", utf16le("Café 日本\n")],
    ["UTF-16BE", utf16be("Café 日本\n")],
  ])("reads %s", (_, bytes) => {
    expect(decodeText(bytes, "q.txt")).toBe("Café 日本\n");
  });

  it("leaves the byte order mark in when asked, so that offsets are the file's", () => {
    const bytes = Buffer.from("\uFEFFa\r\nb");
    expect(decodeText(bytes, "q.txt", { byteOrderMark: true })).toBe(bytes.toString("utf8"));
    expect(decodeText(utf16le("ab"), "q.txt", { byteOrderMark: true })).toBe("\uFEFFab");
  });

  it.each<[string, Uint8Array, string]>([
    ["Latin-1", Buffer.from("one\rtwo\r\nCafé", "latin1"), "q.txt, line 3 is not valid UTF-8"],
    [
      "UTF-16LE without a mark",
      Buffer.from("Where is it?", "utf16le"),
      "q.txt is not text but a binary file, or UTF-16 without",
    ],
    ["UTF-16BE without a mark", Buffer.from("Where is it?", "utf16le").swap16(), "UTF-16 without"],
    ["cut UTF-16", utf16le("Where").subarray(0, 9), "q.txt is not valid UTF-16"],
    ["UTF-32", Buffer.from([0xff, 0xfe, 0, 0, 0x41, 0, 0, 0]), "q.txt is not text but a binary file"],
    ["a PDF that is all ASCII", Buffer.from("%PDF-1.4\n1 0 obj\n"), "q.txt is not text but a PDF: extract its text"],
    ["a zip archive", Buffer.from("PK\u0003\u0004\u0014"), "q.txt is not text but a zip archive"],
    ["a PNG", Buffer.from("\u0089PNG\r\n\u001a\n", "latin1"), "q.txt is not text but a PNG image"],
    ["bytes of a program", Buffer.from([0xff, 0x00, 0x80, 0x41]), "q.txt is not text but a binary file"],
  ])("refuses %s", (_, bytes, message) => {
    const refused = expect.objectContaining({ name: "InputError", code: "INVALID_INPUT" });
    expect(() => decodeText(bytes, "q.txt")).toThrow(refused);
    expect(() => decodeText(bytes, "q.txt")).toThrow(message);
  });
});

it("knows text from what is none", () => {
  const texts = ["", "GGUF is a file format.", "PK is short for pack.", "{\\rtf1 text}", "GIF89a"].map((text) =>
    Buffer.from(text),
  );
  for (const text of [...texts, utf16le("a"), utf16be("a")]) expect(whyBinary(text)).toBeUndefined();
  expect(whyBinary(Buffer.from("text\0more"))).toMatch("binary");
});

it("calls a text empty that is blank, in every encoding, and no other", () => {
  const blank = ["", " \r\n\t\n", "\uFEFF\n", "\u3000".repeat(9000), "\u00a0"].map((text) => Buffer.from(text));
  for (const bytes of [...blank, utf16le(" \n"), utf16be(""), utf16be("\u2003")]) {
    expect(whyWithoutText(bytes), bytes.toString("hex").slice(0, 20)).toBe("is empty");
  }
  // The bytes of these characters are those of spaces or of byte order marks.
  const texts = [utf16le("\u0100"), utf16be("\u0100"), utf16le("\u2020"), utf16le("\uFEFE"), Buffer.from("\u0001")];
  const late = Buffer.from(`${" ".repeat(9000)}a`);
  for (const bytes of [...texts, late, Buffer.from([0xff])]) expect(whyWithoutText(bytes)).toBeUndefined();
});

it("splits at line ends of every kind", () => {
  expect(splitLines("a\nb\r\nc\rd\n\ne")).toEqual(["a", "b", "c", "d", "", "e"]);
});
