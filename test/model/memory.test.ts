// Resident memory while corpora or models are opened and closed for a long time, beside small allocations of other threads.
import { execFile } from "node:child_process";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");
const index = pathToFileURL(path.join(root, "src", "index.ts")).href;

const script = `
  import { readFileSync } from "node:fs";
  import { setImmediate } from "node:timers/promises";
  const { QRRetriever } = await import(${JSON.stringify(index)});
  const load = () => QRRetriever.load({ threads: 1, gpu: false });
  const query = "When does it leave?";
  const documents = (round) => Array.from({ length: 8 }, (_, i) => \`Ferry \${i} leaves at \${round}:\${i * 31} from the old harbour.\`);
  const rounds = {
    corpora: async (round) => {
      const corpus = await kept.corpus(documents(round), { layout: round % 2 ? "listwise" : "independent" });
      await corpus.rank(query);
      await corpus.dispose();
    },
    models: async (round) => {
      const retriever = await load();
      await retriever.rank(query, documents(round));
      await retriever.dispose();
    },
  };
  const [what] = process.argv.slice(1);
  const kept = what === "corpora" ? await load() : undefined;
  let count = 0;
  async function after(total) {
    while (count < total) await rounds[what](count++);
    globalThis.gc();
    await setImmediate();
    globalThis.gc();
    return { resident: process.memoryUsage.rss(), threadHeaps: threadHeaps() };
  }
  // glibc's heaps of threads other than the first: mappings without a file that begin at a multiple of 64 MiB.
  function threadHeaps() {
    let [bytes, isHeap] = [0, false];
    for (const line of readFileSync("/proc/self/smaps", "utf8").split("\\n")) {
      const mapping = /^([0-9a-f]+)-[0-9a-f]+ (\\S+) \\S+ \\S+ (\\d+)/.exec(line);
      if (mapping) isHeap = BigInt("0x" + mapping[1]) % (64n << 20n) === 0n && mapping[2] === "rw-p" && mapping[3] === "0";
      else if (isHeap && line.startsWith("Rss:")) bytes += 1024 * Number(line.split(/\\s+/)[1]);
    }
    return bytes;
  }
  const early = await after(20);
  process.stdout.write(JSON.stringify({ early, late: await after(100) }));`;

const { glibcVersionRuntime } = (process.report.getReport() as { header: { glibcVersionRuntime?: string } }).header;

type Memory = { resident: number; threadHeaps: number };

// Without a bound, glibc keeps what was freed between small blocks, 30 MB of it; and 3 MB at the ends of its heaps, with a large one.
describe.skipIf(glibcVersionRuntime === undefined)("a process is as large after 100 rounds as after 20", () => {
  // On a busy machine a thread's last block may be freed after the measurement, once in a while. What is lost is lost every time.
  test.each(["corpora", "models"])("of opening and closing %s", { timeout: 240_000, retry: 2 }, async (what) => {
    const flags = ["--expose-gc", "--import", "tsx", "--input-type=module", "--eval", script];
    const { stdout } = await promisify(execFile)(process.execPath, [...flags, what], { cwd: root });
    const { early, late } = JSON.parse(stdout) as { early: Memory; late: Memory };
    expect(late.resident / early.resident).toBeLessThan(1.1);
    expect(late.threadHeaps - early.threadHeaps).toBeLessThan(1.5e6);
  });
});
