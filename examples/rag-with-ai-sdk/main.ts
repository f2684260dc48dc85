// Search, rerank, generate: the three steps of a RAG pipeline with the AI SDK, all on this machine.
import { generateText, rerank } from "ai";
import { QRRetriever } from "qrhead";
import { createQRHead } from "qrhead/ai-sdk";
import { localModel } from "./local-model.ts";
import { search } from "./search.ts";

const question = process.argv[2] ?? "Which animal sleeps holding hands?";
const model = process.env.QRHEAD_MODEL;

const retriever = await QRRetriever.load({ model });
const qrhead = createQRHead({ retriever });

const found = search(question);
const { rerankedDocuments } = await rerank({ model: qrhead.reranking(), query: question, documents: found, topN: 2 });
console.log(`found ${found.length}, kept ${rerankedDocuments.length}`);
console.log(`best: ${rerankedDocuments[0]}`);

// Any model of the AI SDK can stand here. This one is the file that ranks; the built-in model does not write.
if (model === undefined) console.log("answer: set QRHEAD_MODEL to a model that writes");
else {
  const prompt = `${rerankedDocuments.join("\n")}\n\nAnswer from the text above, in a few words. ${question}`;
  const { text } = await generateText({ model: localModel(retriever), prompt, maxOutputTokens: 30 });
  console.log(`answer: ${text.trim().replaceAll(/\s+/g, " ")}`);
}
await retriever.dispose();
