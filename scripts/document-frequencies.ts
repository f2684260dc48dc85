// Counts in how many passages of English text each stem is, and writes src/bm25/english-counts.ts.
//
//   npx tsx scripts/document-frequencies.ts TRAINING_FOLDER      NAME.jsonl.zst with a passage in `positive`, a line each
//
// climate_fever stays out: its licence is unclear. Passages count once, with their title.
import { execFileSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { termsOf } from "../src/bm25/words.ts";

/** Stems of fewer passages are left out: they would double the table, and all count as equally rare. */
const LEAST = 8;

const [folder] = process.argv.slice(2);
if (!folder) throw new Error("Expected the folder of the training questions");

const seen = new Set<string>();
const counts = new Map<string, number>();
const files = readdirSync(folder).filter((name) => name.endsWith(".jsonl.zst") && !name.startsWith("climate_fever"));
for (const name of files.sort()) {
  const text = execFileSync("zstd", ["-dc", path.join(folder, name)], { maxBuffer: 1 << 30, encoding: "utf8" });
  for (const line of text.split("\n").filter(Boolean)) {
    const { title, positive } = JSON.parse(line) as { title?: string; positive: string };
    if (!positive || seen.has(positive)) continue;
    seen.add(positive);
    const terms = termsOf(title ? `${title} ${positive}` : positive, "lucene");
    for (const term of new Set(terms)) counts.set(term, (counts.get(term) ?? 0) + 1);
  }
}

/** Two digits say how rare a stem is well enough, and make few groups. */
const rounded = (count: number) => Number(count.toPrecision(2));
const groups = new Map<number, string[]>();
for (const [stem, count] of counts) {
  if (count < LEAST) continue;
  const group = groups.get(rounded(count)) ?? [];
  groups.set(rounded(count), group);
  group.push(stem);
}
const lines = [...groups].sort(([a], [b]) => b - a).map(([count, stems]) => [count, ...stems.sort()].join(" "));
const module = `/** Passages that were counted by scripts/document-frequencies.ts: ${files.length} sources of English text, named on the model card. */
export const PASSAGES: number = ${seen.size};

/** A line for each number of passages, rounded to two digits: the number, and the stems that so many passages have. */
export const STEMS_BY_COUNT: string = \`\\
${lines.join("\n")}\`;
`;
const output = fileURLToPath(new URL("../src/bm25/english-counts.ts", import.meta.url));
writeFileSync(output, module);
console.log(
  `${seen.size} passages, ${counts.size} stems, ${[...groups.values()].flat().length} kept, ${module.length} characters`,
);
