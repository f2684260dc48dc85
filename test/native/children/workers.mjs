// Two worker threads load the addon and work at the same time; one of them is terminated in the middle of a forward pass.
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { createContext, load, models, never, tokens } from "./setup.mjs";

async function observed({ count, isQuery = false, tells = false }) {
  const model = await load(models["tiny-llama"]);
  const context = await createContext(model, { contextSize: 12288, batchSize: 64 });
  // Either of them may be the long part.
  if (tells) parentPort.postMessage("begins");
  await context.prefill(tokens(isQuery ? 16 : count), never, () => {});
  const [attention] = await context.observe([tokens(isQuery ? count : 16)], { rows: "heads" }, never);
  const sums = await attention.sumOverHeads(null, 8);
  await context.dispose();
  await model.dispose();
  return Array.from(sums);
}

async function parent() {
  const start = (data) => new Worker(new URL(import.meta.url), { workerData: data, execArgv: [] });
  const message = (worker) =>
    new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  const started = performance.now();
  const results = await Promise.all([
    observed({ count: 100 }),
    message(start({ count: 100 })),
    message(start({ count: 100 })),
  ]);
  // On a machine that is busy with other things, three threads that load and rank a little say how busy.
  const limit = Math.max(2500, performance.now() - started);
  const terminate = async (worker, delay) => {
    await new Promise((resolve) => setTimeout(resolve, delay));
    const begin = performance.now();
    await worker.terminate();
    // The work would take five seconds.
    if (performance.now() - begin > limit) throw new Error(`terminating took ${performance.now() - begin} ms`);
  };
  // Terminated again and again, at other moments: while it loads, between ubatches, within one.
  for (let delay = 0; delay < 400; delay += 40) {
    const worker = start({ count: 12000 });
    await new Promise((resolve) => worker.once("online", resolve));
    await terminate(worker, delay);
  }
  for (const isQuery of [true, false]) {
    const worker = start({ count: 12000, isQuery, tells: true });
    await message(worker);
    await terminate(worker, 200);
  }
  const after = await observed({ count: 100 });
  process.stdout.write(JSON.stringify([...results, after]));
}

if (isMainThread) await parent();
else parentPort.postMessage(await observed(workerData));
