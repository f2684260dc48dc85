// Ranks the files of a folder for a question, and prints them best first.
import { QRRetriever, readTexts } from "qrhead";

const [question = "What do I do when the heating loses pressure?", folder = "notes"] = process.argv.slice(2);

const retriever = await QRRetriever.load({ model: process.env.QRHEAD_MODEL });
try {
  const files = await readTexts([folder]);
  const { results } = await retriever.rank(question, files, { topK: 3 });
  for (const [place, { id, score }] of results.entries()) console.log(`${place + 1}. ${id}  ${score.toFixed(3)}`);
} finally {
  await retriever.dispose();
}
