// node-llama-cpp in the same process: before the addon is bound, or after. Both must work, and node-llama-cpp must go on
// hearing what llama.cpp logs.
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

let messages = 0;
const theirs = () =>
  getLlama({
    gpu: false,
    build: "never",
    progressLogs: false,
    logLevel: LlamaLogLevel.debug,
    logger: () => {
      messages++;
    },
  });

const first = JSON.parse(process.env.QRHEAD_CHILD).order === "theirs first" ? await theirs() : undefined;
const { createContext, load, models, never } = await import("./setup.mjs");

async function ours() {
  const model = await load(models["tiny-llama-spm"]);
  const context = await createContext(model);
  const { tokens } = await model.tokenize([{ text: "The capital of France is Paris.", special: false }]);
  const [attention] = await context.observe([tokens], { rows: "heads" }, never);
  const row = Array.from(attention.row(0));
  await context.dispose();
  await model.dispose();
  return { tokens: Array.from(tokens), row };
}

const before = await ours();
const llama = first ?? (await theirs());

// Their model and context stay alive while ours come and go.
const model = await llama.loadModel({ modelPath: models["tiny-llama-spm"] });
const context = await model.createContext({ contextSize: 256, threads: 1 });
const sequence = context.getSequence();
const generate = async () => {
  await sequence.clearHistory();
  const tokens = model.tokenize("The capital of France is Paris.");
  const generated = [];
  for await (const token of sequence.evaluate(tokens, { temperature: 0 })) {
    generated.push(token);
    if (generated.length === 5) break;
  }
  return { tokens, generated };
};

// Log lines arrive a little later than what they are about.
const settled = () => new Promise((resolve) => setTimeout(resolve, 200));
const generatedBefore = await generate();
await settled();
const heardBefore = messages;
const [between] = await Promise.all([ours(), generate()]);
await settled();
const heardOfOurs = messages - heardBefore;
const generatedAfter = await generate();
const again = await llama.loadModel({ modelPath: models["tiny-llama-spm"] });
await settled();
const heardAfter = messages - heardBefore - heardOfOurs;
await again.dispose();
await context.dispose();
await model.dispose();
await llama.dispose();
const after = await ours();

process.stdout.write(
  JSON.stringify({
    ours: [before, between, after],
    generated: [generatedBefore, generatedAfter],
    heardBefore,
    heardAfter,
  }),
);
