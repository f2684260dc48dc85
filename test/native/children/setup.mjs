// What every child process begins with: the addon, bound as its parent found it. The parent passes it all in one variable.
import { createRequire } from "node:module";

const { addonFile, libraries, models, ...rest } = JSON.parse(process.env.QRHEAD_CHILD);

export const addon = createRequire(import.meta.url)(addonFile);
await addon.bind(libraries);

/** Anything else that the test passed. */
export const given = rest;

/** Paths of the test models, by name. */
export { models };

export const never = new addon.Cancellation();

export const load = (path) => addon.loadModel({ path, gpuLayers: 0, useMmap: true }, never);

export function createContext(model, options = {}) {
  return model.createContext({
    contextSize: 256,
    batchSize: 64,
    threads: 1,
    cacheTypeK: "f16",
    cacheTypeV: "f16",
    flashAttention: true,
    offloadKqv: false,
    heads: Int32Array.of(0, 0, 1, 1),
    earlyStop: false,
    ...options,
  });
}

/** Tokens without a meaning. */
export const tokens = (count) => Int32Array.from({ length: count }, (_, i) => 1000 + (i % 500));
