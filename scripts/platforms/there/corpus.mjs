// corpus.mjs FOLDER NAME…: in each layout, ranks with a corpus and with those that are saved in FOLDER as NAME-LAYOUT.qrcorpus,
// the first of which it saves. Prints the results by layout, and what is said of a damaged file.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { QRRetriever } from "qrhead";

const [folder, own, ...others] = process.argv.slice(2);
const retriever = await QRRetriever.load({ gpu: false, threads: 1 });
const rank = async (corpus) => {
  const { results } = await corpus.rank("Where is the Eiffel Tower?");
  await corpus.dispose();
  return results.map(({ id, score }) => ({ id, score }));
};
const found = {};
try {
  const documents = readFileSync("documents.txt", "utf8").split(/\r?\n/);
  for (const layout of ["listwise", "independent"]) {
    const fileOf = (name) => path.join(folder, `${name}-${layout}.qrcorpus`);
    const corpus = await retriever.corpus(documents, { layout });
    await corpus.save(fileOf(own), { force: true });
    // Again: a file that is there is replaced.
    await corpus.save(fileOf(own), { force: true });
    found[layout] = [await rank(corpus)];
    for (const name of [own, ...others]) found[layout].push(await rank(await retriever.loadCorpus(fileOf(name))));
    const damaged = path.join(folder, "damaged.qrcorpus");
    const bytes = readFileSync(fileOf(own));
    bytes[bytes.length >> 1] ^= 0xff;
    writeFileSync(damaged, bytes);
    const said = await retriever.loadCorpus(damaged).then(rank, ({ code }) => code);
    if (said !== "CORPUS_INVALID") throw new Error(`a damaged corpus gave ${JSON.stringify(said)}`);
  }
  process.stdout.write(JSON.stringify(found));
} finally {
  await retriever.dispose();
}
