// open-file.mjs: replaces a file that this process has open. Prints "replaced", or the error's code and message; the file
// that was there must be whole then.
import { closeSync, openSync, readFileSync } from "node:fs";
import { QRRetriever } from "qrhead";

const documents = readFileSync("documents.txt", "utf8").split(/\r?\n/);
const retriever = await QRRetriever.load({ gpu: false, threads: 1 });
const corpus = await retriever.corpus(documents);
await corpus.save("open.qrcorpus", { force: true });
const opened = openSync("open.qrcorpus", "r");
const said = await corpus.save("open.qrcorpus", { force: true }).then(
  () => "replaced",
  ({ code, message }) => `${code}: ${message}`,
);
closeSync(opened);
const loaded = await retriever.loadCorpus("open.qrcorpus");
await loaded.rank("Where is the Eiffel Tower?");
// Closed, it is replaced.
await corpus.save("open.qrcorpus", { force: true });
await retriever.dispose();
process.stdout.write(said);
