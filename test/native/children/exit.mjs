// Ends in the middle of things, in the way that the test names.
import { createContext, given, load, models, never, tokens } from "./setup.mjs";

const model = await load(models["tiny-llama"]);
const context = await createContext(model, { contextSize: 16384, batchSize: 512 });
const prefill = (count = 16384) => context.prefill(tokens(count), never, () => {});

const endings = {
  loaded: () => {},
  observed: async () => {
    globalThis.attention = await context.observe([tokens(8)], { rows: "heads" }, never);
  },
  // The promise is never awaited: the work keeps the process alive until it is done.
  working: () => void prefill(1000),
  "process.exit": () => {
    prefill().catch(() => {});
    setTimeout(() => process.exit(0), 50);
  },
  "process.exit while loading": () => {
    load(models["tiny-qwen2"]).catch(() => {});
    setTimeout(() => process.exit(0), 5);
  },
  "an error that nobody catches": () => {
    prefill().catch(() => {});
    setTimeout(() => {
      throw new Error("thrown on purpose");
    }, 50);
  },
  disposed: async () => {
    const work = prefill(1000);
    await context.dispose();
    await model.dispose();
    await work;
  },
};

process.stdout.write("ready\n");
await endings[given.ending]();
