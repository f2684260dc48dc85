// Ranks in a worker thread, in a child process, with an isolated retriever, and in two child processes at once: prints the
// results of all five. `together.mjs alone` ranks in this process, `together.mjs isolated` with an isolated retriever.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { QRRetriever } from "qrhead";
import { IsolatedRetriever } from "qrhead/isolated";

const documents = readFileSync("documents.txt", "utf8").split(/\r?\n/);

async function rank(kind = QRRetriever) {
  const retriever = await kind.load({ gpu: false, threads: 1 });
  try {
    const { results } = await retriever.rank("Where is the Eiffel Tower?", documents);
    return results.map(({ id, score }) => ({ id, score }));
  } finally {
    await retriever.dispose();
  }
}

if (!isMainThread) {
  parentPort.postMessage(await rank());
} else if (process.argv[2]) {
  process.stdout.write(JSON.stringify(await rank(process.argv[2] === "isolated" ? IsolatedRetriever : QRRetriever)));
} else {
  const self = fileURLToPath(import.meta.url);
  const inThread = () =>
    new Promise((resolve, reject) => new Worker(self).once("message", resolve).once("error", reject));
  const inChild = async () => JSON.parse((await promisify(execFile)(process.execPath, [self, "alone"])).stdout);
  const alone = [await inThread(), await inChild(), await rank(IsolatedRetriever)];
  process.stdout.write(JSON.stringify([...alone, ...(await Promise.all([inChild(), inChild()]))]));
}
