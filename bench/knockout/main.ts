// Figure 1 of the QRHead paper on a model of one's own: which share of a hidden sentence a model still answers with when heads
// are taken out of it, by length of the text and by depth of the sentence.
//
//   npx tsx bench/knockout/main.ts --model MODEL.gguf --text FILE --out DIR --set none= --set 'QR heads=qr.json' --set …
//
// Answers are kept in DIR/answers.jsonl, and a run that was stopped goes on; `--draw` only draws what is there.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { HIDDEN_FACTS, hide, rouge1Recall } from "../../src/detect/hidden-fact.ts";
import { QRRetriever } from "../../src/index.ts";
import { type Answer, drawNeedles, summaryTable } from "./figure.ts";

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    text: { type: "string" },
    out: { type: "string" },
    set: { type: "string", multiple: true, default: [] },
    lengths: { type: "string", default: "500,1000,2000" },
    depths: { type: "string", default: "0,0.5,1" },
    needles: { type: "string", default: "0,1" },
    draw: { type: "boolean", default: false },
  },
});
const { model, text: file, out } = values;
if (!model || !file || !out) throw new Error("Expected --model, --text, --out and at least one --set NAME=HEADS");
const numbers = (list: string) => list.split(",").map(Number);
const journal = path.join(out, "answers.jsonl");
mkdirSync(out, { recursive: true });
const lines = existsSync(journal) ? readFileSync(journal, "utf8").trimEnd().split("\n") : [];
const answers = lines.filter(Boolean).map((line) => JSON.parse(line) as Answer);
const keyOf = ({ set, needle, tokens, depth }: Omit<Answer, "recall" | "answer">) =>
  JSON.stringify([set, needle, tokens, depth]);
const known = new Set(answers.map(keyOf));

if (!values.draw) await ask(model, file);
writeFileSync(path.join(out, "needles.svg"), drawNeedles(answers));
console.log(summaryTable(answers));

async function ask(model: string, file: string): Promise<void> {
  await using retriever = await QRRetriever.load({ model, heads: [[0, 0]], gpu: false, threads: 1 });
  const text = readFileSync(file, "utf8").slice(0, 8 * Math.max(...numbers(values.lengths)));
  const bytes = Buffer.from(text, "utf8");
  const { offsets } = await tokenOffsets(model, text);
  // The first trial of every set, then the second of every set: a run that is cut short compares equals with equals.
  for (const tokens of numbers(values.lengths)) {
    for (const depth of numbers(values.depths)) {
      for (const needle of numbers(values.needles)) {
        for (const entry of values.set) {
          const [set, heads] = [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)];
          const trial = { set, needle, tokens, depth };
          if (known.has(keyOf(trial))) continue;
          const fact = HIDDEN_FACTS[needle]!;
          const { text: hidden } = hide({ bytes, offsets }, tokens, depth, fact.needle);
          const content = `${hidden}\nBased on the content of the book, Question: ${fact.question}\nAnswer:`;
          let given = "";
          const options = { maxTokens: 50, stop: "\n", ...(heads !== "" && { withoutHeads: heads }) };
          for await (const piece of retriever.generate([{ role: "user", content }], options)) given += piece;
          const answer = { ...trial, recall: rouge1Recall(fact.needle, given), answer: given.trim() };
          answers.push(answer);
          appendFileSync(journal, `${JSON.stringify(answer)}\n`);
          console.log(`${set} ${tokens} ${depth} ${needle} ${answer.recall.toFixed(2)} ${answer.answer}`);
        }
      }
    }
  }
}

async function tokenOffsets(model: string, text: string): Promise<{ offsets: Uint32Array }> {
  const { loadModel } = await import("../../src/model/model.ts");
  const loaded = await loadModel({ model, gpu: false });
  const tokenized = await loaded.native.tokenize([{ text, special: false }]);
  await loaded.native.dispose();
  return tokenized;
}
