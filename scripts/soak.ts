// A server under clients that behave and clients that do not, and a child that is ended again and again: every request has
// an answer or an error, and memory stays where it is. npm run soak -- MINUTES [SECONDS BETWEEN ENDS]
import { readdirSync, readFileSync } from "node:fs";
import { BUILT_IN_MODEL } from "../src/index.ts";
import { startServer } from "../src/serve/server.ts";

const minutes = Number(process.argv[2] ?? 30);
const between = Number(process.argv[3] ?? 60);
const server = await startServer({
  models: [BUILT_IN_MODEL],
  load: { gpu: false, threads: 1 },
  ...{ port: 0, queue: 8, timeout: 20_000, maxBody: 200_000 },
});
const end = performance.now() + minutes * 60_000;
const counts = new Map<string, number>();
const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);
let number = 0;

/** Only these are expected: an answer, or an error with a reason. */
const EXPECTED = new Set([200, 413, 429, 503, 504]);
const failures: string[] = [];

async function ask(route: string, body: unknown, signal?: AbortSignal): Promise<void> {
  const began = performance.now();
  try {
    const response = await fetch(`${server.url}${route}`, {
      ...{ method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) },
      ...(signal && { signal }),
    });
    const text = await response.text();
    count(String(response.status));
    if (!EXPECTED.has(response.status)) failures.push(`${route}: ${response.status} ${text.slice(0, 200)}`);
  } catch (error) {
    if (signal?.aborted) return count("vanished");
    failures.push(
      `${route}: no answer after ${Math.round(performance.now() - began)} ms: ${String((error as Error).cause)}`,
    );
  }
}

const words = (n: number) => `${number++} ${"The tower stands in Paris and bread is baked. ".repeat(n)}`;
const KINDS: (() => Promise<void>)[] = [
  () => ask("/v1/rerank", { query: "Where is the tower?", documents: [words(3), words(2), "Bananas."] }),
  () =>
    ask("/v2/rerank", { query: `question ${number++}`, documents: ["Bananas are yellow.", "The tower is in Paris."] }),
  () => ask("/rerank", { query: "Where?", texts: [words(1), words(1)] }),
  () => ask("/v1/prune", { query: "Where is the tower?", text: words(6), budget_tokens: 30 }),
  () => ask("/v1/retrieve", { query: "Where is the tower?", documents: [words(20)], budget_tokens: 100 }),
  () => ask("/v1/rerank", { query: "Where?", documents: ["x".repeat(300_000)] }),
  () => ask("/v1/rerank", { query: "Where?", documents: [words(60)] }, AbortSignal.timeout(20 + (number % 300))),
];

async function client(first: number): Promise<void> {
  for (let i = first; performance.now() < end; i++) {
    await KINDS[i % KINDS.length]!();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const rss = () => process.memoryUsage().rss / 1e6;
const samples: number[] = [];
const sampling = setInterval(() => samples.push(rss()), 5000);
let ends = 0;
const killing = setInterval(() => {
  for (const pid of enginesOf(process.pid)) {
    process.kill(pid, "SIGKILL");
    ends += 1;
  }
}, between * 1000);

await Promise.all(Array.from({ length: 12 }, (_, index) => client(index)));
clearInterval(sampling);
clearInterval(killing);
await server.close();

const mean = (part: number[]) => part.reduce((sum, value) => sum + value, 0) / Math.max(1, part.length);
const third = Math.floor(samples.length / 3);
console.log(
  `${[...counts].map(([what, n]) => `${what}: ${n}`).join(", ")}; the process of the model was ended ${ends} times`,
);
console.log(
  `memory of the server: ${mean(samples.slice(third, 2 * third)).toFixed(0)} MB in the second third, ` +
    `${mean(samples.slice(2 * third)).toFixed(0)} MB in the last`,
);
for (const failure of failures.slice(0, 20)) console.log(failure);
if (failures.length > 0) console.log(`${failures.length} requests without an answer that they should have`);
process.exit(failures.length > 0 ? 1 : 0);

function enginesOf(parent: number): number[] {
  const read = (file: string) => {
    try {
      return readFileSync(file, "utf8");
    } catch {
      return "";
    }
  };
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => read(`/proc/${pid}/cmdline`).includes("isolate/child.js"))
    .filter((pid) => new RegExp(`^PPid:\\s+${parent}$`, "m").test(read(`/proc/${pid}/status`)))
    .map(Number);
}
