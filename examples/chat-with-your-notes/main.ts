// A chat in the terminal about the files of a folder. The notes are read once; each question costs the question only.
import { createInterface } from "node:readline/promises";
import { ask, chunkDocuments, QRRetriever, readTexts } from "qrhead";

const [folder = "notes"] = process.argv.slice(2);
const model = process.env.QRHEAD_MODEL;

const retriever = await QRRetriever.load({ model });
const chunks = await chunkDocuments(retriever, await readTexts([folder]));
const corpus = await retriever.corpus(chunks, { layout: "independent" });
console.log(`${chunks.length} passages of ${folder}. Ask something; an empty line ends.`);

const terminal = createInterface({ input: process.stdin, output: process.stdout, terminal: false });
for await (const question of terminal) {
  if (question.trim() === "") break;
  console.log(`\n> ${question}`);
  if (model === undefined) {
    // The built-in model ranks and does not write.
    const { results } = await corpus.rank(question, { topK: 1 });
    const best = results[0]?.id ?? "";
    console.log(
      corpus.documents
        .find(({ id }) => id === best)
        ?.text.trim()
        .replaceAll(/\s+/g, " "),
    );
    console.log(`from ${best.replace(/#.*/, "")}`);
  } else {
    const { answer, shown } = await ask(question, corpus, { generate: retriever, topK: 1, maxTokens: 60 });
    console.log(answer.trim().replaceAll(/\s+/g, " "));
    for (const { documentId } of shown) console.log(`from ${documentId}`);
  }
}
await retriever.dispose();
