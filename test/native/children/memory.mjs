// Whole lives of a model, one after the other: resident memory after the first ones and after all, in bytes.
import { addon, createContext, given, load, models, never, tokens } from "./setup.mjs";

async function live() {
  const model = await load(models["tiny-llama-spm"]);
  const { tokens: words } = await model.tokenize([{ text: "Hello, world! ".repeat(50), special: false }]);
  const context = await createContext(model, { contextSize: 1024 });
  await context.prefill(words, never, () => {});
  const [first] = await context.observe([tokens(40)], { rows: "heads" }, never);
  context.rollback(words.length);
  const [second] = await context.observe([tokens(40)], { rows: "heads" }, never);
  await first.documentScores({ baseline: second, spans: Uint32Array.of(0, 50, 50, 100), mask: "shared" });
  context.rollback(0);
  const cancellation = new addon.Cancellation();
  await context.prefill(tokens(1000), cancellation, () => cancellation.cancel()).catch(() => {});
  await load("/nowhere/model.gguf").catch(() => {});
  // Otherwise the garbage collector has to do it.
  if (given.disposed) {
    await context.dispose();
    await model.dispose();
  }
}

async function residentAfter(lives) {
  for (let i = 0; i < lives; i++) {
    await live();
    globalThis.gc();
    // Finalizers run in a turn of their own.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage.rss();
}

const early = await residentAfter(10);
const late = await residentAfter(given.lives - 10);
process.stdout.write(JSON.stringify({ early, late }));
