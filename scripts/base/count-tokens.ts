// How often each token of a model stands in texts, as one JSON array by id. `vocabulary.json` was made from such counts.
//
//   npx tsx scripts/base/count-tokens.ts --model FILE.gguf --output counts.json [--megabytes N] PATH…
//
// A path is a folder, a text file, or a .zst of either text or JSON Lines, whose texts, titles and queries count.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { loadModel } from "../../src/model/model.ts";

const TEXT =
  /\.(md|mdx|txt|rst|html|json|jsonl|ya?ml|toml|css|sql|sh|[cm]?[jt]sx?|py|c|h|cc|cpp|hpp|java|go|rs|rb|php)(\.zst)?$/;
/** Characters of one call of the tokenizer. */
const PIECE = 200_000;
/** Files from here on are data rather than text that someone wrote. */
const LARGE = 400_000;

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: { model: { type: "string" }, output: { type: "string" }, megabytes: { type: "string", default: "1000" } },
});
if (!given.model || !given.output) throw new Error("Expected --model FILE.gguf --output FILE");

const { native } = await loadModel({ model: given.model, gpu: false });
const counts = new Array<number>(native.info().vocabularySize).fill(0);
let left = Number(given.megabytes) * 1e6;
for (const file of positionals.flatMap(filesOf)) {
  if (left <= 0) break;
  for (const text of piecesOf(readText(file, left))) {
    left -= text.length;
    const { tokens } = await native.tokenize([{ text, special: false }]);
    for (const token of tokens) counts[token]!++;
  }
}
writeFileSync(given.output, JSON.stringify(counts));
const total = counts.reduce((sum, count) => sum + count, 0);
console.log(`${total} tokens, ${counts.filter((count) => count > 0).length} different ones`);
await native.dispose();

function filesOf(place: string): string[] {
  if (statSync(place).isFile()) return [place];
  const files = readdirSync(place, { recursive: true }).map((name) => path.join(place, String(name)));
  return files.filter((file) => TEXT.test(file) && isWritten(file)).sort();
}

function isWritten(file: string): boolean {
  const found = statSync(file, { throwIfNoEntry: false });
  return (
    found?.isFile() === true && (file.endsWith(".zst") || (found.size < LARGE && !/\.min\.|package-lock/.test(file)))
  );
}

function readText(file: string, most: number): string {
  if (!file.endsWith(".zst")) return readFileSync(file, "utf8");
  const head = `zstd -dcq --long=27 '${file.replaceAll("'", "'\\''")}' | head -c ${Math.ceil(most)}`;
  const text = execFileSync("sh", ["-c", head], { encoding: "utf8", maxBuffer: 1 << 30 });
  if (!file.includes(".jsonl")) return text;
  const lines = text.split("\n").filter((line) => line.endsWith("}"));
  const seen = new Set<string>();
  return lines
    .flatMap((line) => {
      const { query, title, positive } = JSON.parse(line) as Record<string, string | undefined>;
      return [query, title, positive].filter((part) => part !== undefined && !seen.has(part) && seen.add(part));
    })
    .join("\n");
}

/** Cut at line breaks, so that no word is split; a line break of its own makes the same tokens on both sides. */
function* piecesOf(text: string): Generator<string> {
  for (let begin = 0; begin < text.length; ) {
    const limit = begin + PIECE;
    const end = limit >= text.length ? text.length : text.lastIndexOf("\n", limit) + 1 || limit;
    yield text.slice(begin, end <= begin ? limit : end);
    begin = end <= begin ? limit : end;
  }
}
