// A model whose retrieval heads are known by construction. The residual stream stays the token's embedding in every layer,
// because attention and feed-forward add nothing; positions do not matter, because rotary frequencies are divided away.
// A planted head compares random projections of two embeddings, so its logit is large where the tokens are the same.
// Every other head looks at the first token or spreads evenly.
import { decoderTensors, rotaryMetadata } from "./decoder.ts";
import { text, u32s } from "./gguf-writer.ts";
import { below, normal, seededRandom } from "./random.ts";
import { type ModelSpec, type Sizes, type TensorSpec, vocabularySizes } from "./spec.ts";

export type PlantedOptions = {
  /** Decides which heads are planted, and all weights. */
  seed: number;
  layers?: number;
  /** Query heads a layer. */
  heads?: number;
  /** How many heads of all are planted. */
  planted?: number;
};

/** The model's spec, and its planted heads as `[layer, head]`, sorted. */
export type PlantedModel = { spec: ModelSpec; planted: [layer: number, head: number][] };

const BEGIN_OF_TEXT = 1;
/** Coordinates of an embedding that are no part of the token's own direction. */
const ALWAYS = 0;
const BEGIN = 1;
const OWN = 2;
/** Logits of a query on its own token and of a head on the first token; anything else is about 0. */
const MATCH_LOGIT = 20;
const BEGIN_LOGIT = 8;

type Role = "planted" | "begin" | "even";

function chooseRoles(seed: number, layers: number, heads: number, planted: number): Role[][] {
  const random = seededRandom(seed, "roles");
  const order = Array.from({ length: layers * heads }, (_, index) => index);
  for (let i = order.length - 1; i > 0; i--) {
    const j = below(random, i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  const roles = Array.from({ length: layers }, () => Array.from({ length: heads }, (): Role => "even"));
  for (const [rank, index] of order.entries()) {
    roles[Math.floor(index / heads)]![index % heads] = rank < planted ? "planted" : rank % 2 ? "begin" : "even";
  }
  return roles;
}

function embeddings(seed: number, vocabulary: number, width: number): Float32Array {
  const random = seededRandom(seed, "embeddings");
  const values = new Float32Array(vocabulary * width);
  for (let token = 0; token < vocabulary; token++) {
    const row = values.subarray(token * width, (token + 1) * width);
    // The same length for every token: the norm in front of attention then changes nothing.
    const length = Math.sqrt(width - OWN);
    if (token === BEGIN_OF_TEXT) row[BEGIN] = length;
    else {
      let squares = 0;
      for (let i = OWN; i < width; i++) {
        row[i] = normal(random);
        squares += row[i]! ** 2;
      }
      const scale = length / Math.sqrt(squares);
      for (let i = OWN; i < width; i++) row[i]! *= scale;
    }
    row[ALWAYS] = 1;
  }
  return values;
}

function queryKeyWeights(seed: number, which: "q" | "k", roles: Role[], { width, headSize }: Sizes): Float32Array {
  const values = new Float32Array(width * headSize * roles.length);
  // Split evenly over q and k, whose entries have unit variance before: |Px|² is about headSize, the logit its root.
  const matchGain = Math.sqrt(MATCH_LOGIT / Math.sqrt(headSize) / (width - OWN));
  const beginGain = Math.sqrt(BEGIN_LOGIT / Math.sqrt(headSize * (width - OWN)));
  for (const [head, role] of roles.entries()) {
    const random = seededRandom(seed, `projection ${head}`);
    for (let row = 0; row < headSize; row++) {
      const weights = values.subarray((head * headSize + row) * width, (head * headSize + row + 1) * width);
      if (role === "planted") for (let i = OWN; i < width; i++) weights[i] = normal(random) * matchGain;
      if (role === "begin") weights[which === "q" ? ALWAYS : BEGIN] = beginGain;
    }
  }
  return values;
}

/**
 * A llama model of `layers` × `heads` heads (default 4 × 8) in which `planted` (default 5) match tokens.
 * @throws when more heads are to be planted than there are
 */
export function plantedModel({ seed, layers = 4, heads = 8, planted: count = 5 }: PlantedOptions): PlantedModel {
  if (count > layers * heads) throw new Error(`Expected at most ${layers * heads} planted heads but received ${count}`);
  const sizes: Sizes = { layers, width: 128, heads, kvHeads: heads, headSize: 64, feedForward: 32, context: 32768 };
  const vocabulary = vocabularySizes["llama-spm"];
  const roles = chooseRoles(seed, layers, heads, count);
  const planted = roles.flatMap((row, layer) =>
    row.flatMap((role, head): [number, number][] => (role === "planted" ? [[layer, head]] : [])),
  );
  const made = (recipe: string, values: () => Float32Array): TensorSpec["fill"] => ({ kind: "made", recipe, values });
  const constant = (size: number, value: number) => made(`all ${value}`, () => new Float32Array(size).fill(value));
  const fillOf = ({ name, shape }: TensorSpec): TensorSpec["fill"] | undefined => {
    const size = shape.reduce((product, n) => product * n, 1);
    const [, layerText = "", part] = /^blk\.(\d+)\.(.*)\.weight$/.exec(name) ?? [];
    const layer = Number(layerText);
    if (name === "token_embd.weight") return made("directions", () => embeddings(seed, vocabulary, sizes.width));
    if (name.endsWith("norm.weight")) return constant(size, 1);
    if (part === "attn_output" || part === "ffn_down") return constant(size, 0);
    if (part !== "attn_q" && part !== "attn_k") return undefined;
    const which = part === "attn_q" ? "q" : "k";
    const recipe = `${which} of ${roles[layer]!.join()}, logits ${MATCH_LOGIT} and ${BEGIN_LOGIT}`;
    return made(recipe, () => queryKeyWeights(seed * 1000 + layer, which, roles[layer]!, sizes));
  };
  const tensors = decoderTensors(vocabulary, sizes, {}, { embedding: "F16" });
  return {
    planted,
    spec: {
      name: "planted",
      architecture: "llama",
      seed,
      vocabulary: "llama-spm",
      metadata: {
        "general.name": text(`Planted retrieval heads ${seed}`),
        "qrhead.test.planted": u32s(planted.flat()),
        ...rotaryMetadata("llama", sizes, 10000),
      },
      tensors: [
        ...tensors.map((tensor) => ({ ...tensor, fill: fillOf(tensor) ?? tensor.fill })),
        {
          name: "rope_freqs.weight",
          shape: [sizes.headSize / 2],
          type: "F32",
          fill: constant(sizes.headSize / 2, 1e20),
        },
      ],
    },
  };
}
