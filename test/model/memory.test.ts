// Resident memory while corpora are opened and closed for a long time, beside small allocations of other threads.
import { execFile } from "node:child_process";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");
const index = pathToFileURL(path.join(root, "src", "index.ts")).href;

const script = `
  import { setImmediate } from "node:timers/promises";
  const { QRRetriever } = await import(${JSON.stringify(index)});
  const retriever = await QRRetriever.load({ threads: 1, gpu: false });
  async function residentAfter(rounds) {
    for (let i = 0; i < rounds; i++) {
      const documents = Array.from({ length: 8 }, (_, j) => \`Ferry \${j} leaves at \${i}:\${j * 31} from the old harbour.\`);
      const corpus = await retriever.corpus(documents, { layout: i % 2 ? "listwise" : "independent" });
      await corpus.rank("When does it leave?");
      await corpus.dispose();
    }
    globalThis.gc();
    await setImmediate();
    return process.memoryUsage.rss();
  }
  const early = await residentAfter(2);
  process.stdout.write(JSON.stringify({ early, late: await residentAfter(100) }));`;

// glibc keeps what was freed between small blocks, 30 MB of it, unless large blocks are mappings of their own. V8's young generation grows for a while as it does in any program: it is held at one size, or the test would measure that.
test("opening and closing corpora leaves a process as large as it was", { timeout: 120_000 }, async () => {
  const flags = ["--expose-gc", "--max-semi-space-size=1", "--import", "tsx", "--input-type=module"];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, "--eval", script], { cwd: root });
  const { early, late } = JSON.parse(stdout) as { early: number; late: number };
  expect(late - early).toBeLessThan(15e6);
});
