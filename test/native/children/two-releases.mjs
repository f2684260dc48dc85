// qrhead and another release of node-llama-cpp in one process, in either order. Prints what each of them computed.
import { createRequire } from "node:module";
import { tsImport } from "tsx/esm/api";

const { order, host, models, index } = JSON.parse(process.env.QRHEAD_CHILD);

/** Loads their addon and returns a function that generates a token. */
async function startTheirs() {
  const theirs = createRequire(import.meta.url)(`${host}/llama-addon.node`);
  theirs.loadBackends(host);
  await theirs.init();
  theirs.setLoggerLogLevel(1);
  const model = new theirs.AddonModel(models["tiny-llama-spm"], { addonExports: theirs, gpuLayers: 0, useMmap: true });
  await model.init();
  const context = new theirs.AddonContext(model, { contextSize: 256, batchSize: 64, sequences: 1, threads: 1 });
  await context.init();
  const sampler = new theirs.AddonSampler(model);
  sampler.applyConfig({ temperature: 0 });
  return async () => {
    context.disposeSequence(0);
    const tokens = model.tokenize("The capital of France is Paris.", false);
    context.initBatch(tokens.length);
    const [last] = context.addToBatch(0, 0, tokens, Uint32Array.of(tokens.length - 1));
    await context.decodeBatch();
    return context.sampleToken(last, sampler);
  };
}

async function ours() {
  const { QRRetriever } = await tsImport(index, import.meta.url);
  const options = { model: models["tiny-llama-spm"], heads: "all", gpu: false, threads: 1 };
  try {
    const retriever = await QRRetriever.load(options);
    const { results } = await retriever.rank("Which river?", ["The Nile flows north.", "Everest grows."]);
    await retriever.dispose();
    return results.map(({ index, score }) => [index, score]);
  } catch (error) {
    return { code: error.code, message: error.message };
  }
}

const result = { ours: [], theirs: [] };
let theirs = order === "theirs first" ? await startTheirs() : undefined;
if (theirs) result.theirs.push(await theirs());
result.ours.push(await ours());
if (order === "ours first" || theirs) {
  theirs ??= await startTheirs();
  result.theirs.push(await theirs());
}
result.ours.push(await ours());
process.stdout.write(JSON.stringify(result));
// Their objects are theirs to dispose of.
process.exit(0);
