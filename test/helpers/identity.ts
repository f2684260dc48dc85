import type { ModelIdentity } from "../../src/types.ts";

/** A model's identity with only what a test cares about; an 8B Llama 3.1 of another name otherwise. */
export function identity(fields: Partial<ModelIdentity> = {}): ModelIdentity {
  const layers = fields.layers ?? 32;
  return {
    architecture: "llama",
    name: "some model",
    fileName: "some-model.gguf",
    layers,
    heads: 32,
    originalLayers: layers,
    chatTemplate: null,
    metadata: {},
    ...fields,
  };
}
