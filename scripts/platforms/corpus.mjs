// corpus.mjs SAVE_AS LOAD…: saves a corpus, loads others, and prints the results of the own one and of each loaded.
import { readFileSync } from "node:fs";
import { QRRetriever } from "qrhead";

const [saveAs, ...files] = process.argv.slice(2);
const retriever = await QRRetriever.load({ gpu: false, threads: 1 });
const rank = async (corpus) => {
  const { results } = await corpus.rank("Where is the Eiffel Tower?");
  return results.map(({ id, score }) => ({ id, score }));
};
try {
  const corpus = await retriever.corpus(readFileSync("documents.txt", "utf8").split(/\r?\n/));
  const all = [await rank(corpus)];
  await corpus.save(saveAs, { force: true });
  // Again: a file that is there is replaced.
  await corpus.save(saveAs, { force: true });
  for (const file of files) all.push(await rank(await retriever.loadCorpus(file)));
  process.stdout.write(JSON.stringify(all));
} finally {
  await retriever.dispose();
}
