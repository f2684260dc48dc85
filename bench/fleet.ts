// Queries a second of 1, 2 and 3 workers, beside ranking without a queue; and what a million queries a day would need.
// Needs redis-server and `npm run build:ts`; the machine should be idle.
//
//   npx tsx bench/fleet.ts [MODEL] [--queries 60] [--documents 20] [--words 75] [--threads 1] [--peak 3]
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { FleetClient } from "../src/fleet/client.ts";
import { submitRerank } from "../src/fleet/submit-rerank.ts";
import { QRRetriever } from "../src/index.ts";
import { packageRoot } from "../src/native/addon.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    queries: { type: "string", default: "60" },
    documents: { type: "string", default: "20" },
    words: { type: "string", default: "75" },
    threads: { type: "string", default: "1" },
    peak: { type: "string", default: "3" },
  },
});
const [count, documentCount, words, threads, peak] = [
  ...[values.queries, values.documents, values.words, values.threads, values.peak].map(Number),
] as [number, number, number, number, number];
const WORDS = "the of river stone light harbour engine letter winter garden paper music road glass night bread".split(
  " ",
);
const text = (seed: number, length: number) =>
  Array.from({ length }, (_, at) => WORDS[(seed * 7 + at * at * 3 + at * (seed % 5)) % WORDS.length]).join(" ");
/** Documents of its own for every query: nothing is found in a cache. */
const queries = Array.from({ length: count }, (_, query) => ({
  id: String(query),
  query: `Where is ${text(query, 8)}?`,
  documents: Array.from({ length: documentCount }, (_, document) => ({
    id: String(document),
    // The words repeat after a while; the number does not.
    text: `${query}.${document} ${text(query * documentCount + document, words)}`,
  })),
}));
const folder = mkdtempSync(path.join(tmpdir(), "qrhead-bench-"));
const children: ChildProcess[] = [];

async function startRedis(): Promise<string> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  server.close();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder];
  await started(spawn("redis-server", args, { stdio: ["ignore", "pipe", "inherit"] }), "Ready to accept");
  return `redis://127.0.0.1:${port}`;
}

async function startWorker(redis: string): Promise<ChildProcess> {
  const model = positionals[0] === undefined ? [] : ["-m", positionals[0]];
  const args = ["worker", "--redis", redis, ...model, "--gpu", "false", "--threads", String(threads)];
  const program = path.join(packageRoot, "dist", "cli", "main.js");
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  return started(child, "ready");
}

async function started(child: ChildProcess, word: string): Promise<ChildProcess> {
  children.push(child);
  for await (const part of child.stdout!) if (String(part).includes(word)) return child;
  throw new Error(`${child.spawnfile} ended`);
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}

/** Queries a second, the first ones left out, which warm the workers up. */
async function measureFleet(redis: string, run: string): Promise<number> {
  await using client = await FleetClient.open({ redis, run });
  const submission = { client, options: {}, inFlight: 32, resume: false, retry: false, force: true };
  await submitRerank({ ...submission, queries: queries.slice(0, 6), output: path.join(folder, `${run}-warm`) });
  const began = performance.now();
  await submitRerank({ ...submission, queries: queries.slice(6), output: path.join(folder, run) });
  return (queries.length - 6) / ((performance.now() - began) / 1000);
}

async function measurePlain(): Promise<{ name: string; rate: number }> {
  await using retriever = await QRRetriever.load({ model: positionals[0], gpu: false, threads });
  for (const { query, documents } of queries.slice(0, 6)) await retriever.rank(query, documents);
  const began = performance.now();
  for (const { query, documents } of queries.slice(6)) await retriever.rank(query, documents);
  return { name: retriever.model.name, rate: (queries.length - 6) / ((performance.now() - began) / 1000) };
}

try {
  const redis = await startRedis();
  const plain = await measurePlain();
  const rows: (readonly [string, number])[] = [["no queue", plain.rate]];
  for (const size of [1, 2, 3]) {
    const workers = await Promise.all(Array.from({ length: size }, () => startWorker(redis)));
    rows.push([`${size} ${size === 1 ? "worker" : "workers"}`, await measureFleet(redis, `run-${size}`)]);
    for (const worker of workers) await stop(worker);
  }
  console.log(
    `${plain.name}, ${threads} thread(s) a process, ${cpus().length} × ${cpus()[0]?.model.trim()}; ` +
      `${documentCount} documents of ${words} words a query\n`,
  );
  console.log("| | queries a second | beside no queue |\n|---|---|---|");
  for (const [name, rate] of rows) console.log(`| ${name} | ${rate.toFixed(2)} | ${(rate / plain.rate).toFixed(2)} |`);
  const one = rows[1]![1];
  const needed = (1e6 / 86_400) * peak;
  console.log(
    `\nA million queries a day are ${(1e6 / 86_400).toFixed(1)} a second, and ${needed.toFixed(1)} in an hour of ${peak} ` +
      `times as many: ${Math.ceil(needed / one)} such processes.`,
  );
} finally {
  for (const child of children) if (child.exitCode === null) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
