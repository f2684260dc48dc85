// Keeps of a long text what a question needs, and lets the same model answer from that.
import { readFile } from "node:fs/promises";
import { QRRetriever } from "qrhead";

const model = process.env.QRHEAD_MODEL;
const [question = "How much notice does the tenant give?", file = "lease.md"] = process.argv.slice(2);

const retriever = await QRRetriever.load({ model });
try {
  const { text, usage } = await retriever.prune(question, await readFile(file, "utf8"), { budgetTokens: 60 });
  console.log(text.trim());
  console.log(`\n${usage.tokens} of ${usage.originalTokens} tokens`);
  if (model === undefined) console.log("Set QRHEAD_MODEL to a model that writes for an answer.");
  else {
    const prompt = `${text}\n\nAnswer in one sentence from the text above. ${question}`;
    for await (const piece of retriever.generate([{ role: "user", content: prompt }], { maxTokens: 60 })) {
      process.stdout.write(piece.replaceAll("\n", " "));
    }
    console.log();
  }
} finally {
  await retriever.dispose();
}
