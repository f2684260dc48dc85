// Texts of many scripts and shapes for property tests, and a tokenizer for them that needs no model.
import fc from "fast-check";

const words = [
  "alpha",
  "naïve",
  "Ελλάς",
  "столица",
  "日本語。",
  "巴黎！",
  "ภาษาไทย",
  "עברית",
  "عاصمة",
  "हिन्दी",
  "👩‍🔬",
  "e\u0301",
  "𝒳",
  "\ud800",
  "\udc00",
  "a.b",
  "42",
  "Dr.",
];
const marks = [
  " ",
  "  ",
  "\n",
  "\n\n",
  "\r\n",
  "\r\n\r\n",
  "\r",
  "\t",
  "# ",
  "## ",
  "- ",
  "```\n",
  "---\n",
  "Ann: ",
  "Bob: ",
  "Session 2\n",
  ". ",
  "! ",
  "",
  "\ufeff",
  "\u2028",
  "    ",
  "{",
  "}\n",
  "> ",
  "| ",
];

export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc
    .array(
      fc.oneof(fc.constantFrom(...words), fc.constantFrom(...marks), fc.string({ unit: "binary", maxLength: 3 })),
      { maxLength: 60 },
    )
    .map((parts) => parts.join("")),
  fc.string({ unit: "grapheme", maxLength: 80 }),
);

/** Offsets of tokens of `length` bytes each, which end inside characters, as byte-level tokenizers' do. */
export function byteTokens(text: string, length: number): Uint32Array {
  const bytes = Buffer.byteLength(text, "utf8");
  const offsets: number[] = [0, 0];
  for (let begin = 0; begin < bytes; begin += length) offsets.push(begin, Math.min(bytes, begin + length));
  return Uint32Array.from(offsets);
}
