// Finds the heads of a model that retrieve, from plain text without labels, writes them to a file and ranks with them.
import { writeFile } from "node:fs/promises";
import { QRRetriever } from "qrhead";
import { BOOTSTRAP_TEXT, bootstrapExamples, detectHeads, formatHeadSet } from "qrhead/detect";

// Yours: QRHEAD_MODEL=my.gguf, and 64 examples of 20 documents for heads that you keep.
const model = process.env.QRHEAD_MODEL ?? "mini";
const examples = bootstrapExamples([BOOTSTRAP_TEXT], { seed: 1, examples: 6, documents: 4 });
const set = await detectHeads({ model, examples, objective: "ndcg", top: 4 });
await writeFile("heads.json", formatHeadSet(set));
console.log(
  `${set.heads.length} heads from ${examples.length} examples: ${set.heads.map((one) => one.join("-")).join(", ")}`,
);

const retriever = await QRRetriever.load({ model, heads: "heads.json" });
try {
  const towers = ["The lighthouse of Brier Point was built in 1874.", "The chapel bell was cast in Leiden."];
  const { results } = await retriever.rank("When was the lighthouse built?", towers);
  console.log(`best: ${towers[results[0]?.index ?? 0]}`);
} finally {
  await retriever.dispose();
}
