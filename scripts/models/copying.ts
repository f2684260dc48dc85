// A model that copies, by construction: an induction circuit on pairs of tokens. Two heads of the first layer attend to the
// token before and to the one before that, by their rotary positions, and write what they find beside the current token. A
// head of the second layer then looks for a place where both agree with the last two tokens, and the model predicts the token
// that stands there. Every other head spreads evenly and writes nothing.
import { decoderTensors, rotaryMetadata } from "./decoder.ts";
import { text, u32s } from "./gguf-writer.ts";
import { below, normal, seededRandom } from "./random.ts";
import { type ModelSpec, type Sizes, type TensorSpec, vocabularySizes } from "./spec.ts";

export type CopyingModel = { spec: ModelSpec; previous: [number, number][]; copying: [layer: number, head: number] };

/** Dimensions of a token's direction. */
const DIRECTION = 62;
/** Parts of the residual stream: a constant, the token, the one before, the one before that, and what to predict. */
const ALWAYS = 0;
const TOKEN = 1;
const BEFORE = TOKEN + DIRECTION;
const BEFORE_THAT = BEFORE + DIRECTION;
const PREDICTED = BEFORE_THAT + DIRECTION;
const WIDTH = 256;
/** Of a head: the first pairs of dimensions compare tokens and do not turn; the rest turn and compare positions. */
const HEAD_SIZE = 256;
const STILL_PAIRS = DIRECTION;
const TURNING_PAIRS = HEAD_SIZE / 2 - STILL_PAIRS;
const FREQUENCY_BASE = 10000;

/** An answer begins behind the two tokens that the message begins behind: the model goes on with the message's first words. */
const TEMPLATE =
  "{%- for message in messages %}{{- 'said >>>\\n' + message.content + '\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{- 'said >>>\\n' }}{%- endif %}";

const LENGTH = 16;
const CONSTANT = LENGTH / 2;
/** Logits of a head on the right position and of the copying head on the right place, above all others. */
const POSITION_LOGIT = 60;
const MATCH_LOGIT = 50;
const PREDICTION_GAIN = 40;

/** Radians a position by which each turning pair turns: no two alike, so that only the right distance fits them all. */
function turns(seed: number): number[] {
  const random = seededRandom(seed, "turns");
  return Array.from({ length: TURNING_PAIRS }, () => 0.1 + (3 * below(random, 1 << 20)) / (1 << 20));
}

function directions(seed: number, vocabulary: number, at: number, length: number, constant: number): Float32Array {
  const random = seededRandom(seed, "directions");
  const values = new Float32Array(vocabulary * WIDTH);
  for (let token = 0; token < vocabulary; token++) {
    const row = values.subarray(token * WIDTH, (token + 1) * WIDTH);
    let squares = 0;
    for (let i = 0; i < DIRECTION; i++) {
      row[at + i] = normal(random);
      squares += row[at + i]! ** 2;
    }
    for (let i = 0; i < DIRECTION; i++) row[at + i]! *= length / Math.sqrt(squares);
    row[ALWAYS] = constant;
  }
  return values;
}

/** Sets `matrix[row][column]` of a matrix whose rows are `columns` long. */
const setter = (values: Float32Array, columns: number) => (row: number, column: number, value: number) => {
  values[row * columns + column] = value;
};

/**
 * A llama model of 3 layers of `heads` heads with one copying head in layer 1; which heads do what is decided by the seed.
 */
export function copyingModel({ seed, heads = 4 }: { seed: number; heads?: number }): CopyingModel {
  const sizes: Sizes = {
    ...{ layers: 3, width: WIDTH, heads, kvHeads: heads, headSize: HEAD_SIZE, feedForward: 32, context: 16384 },
  };
  const vocabulary = vocabularySizes["llama-spm"];
  const random = seededRandom(seed, "roles");
  const first = below(random, heads);
  const second = (first + 1 + below(random, heads - 1)) % heads;
  const copier = below(random, heads);
  const angles = turns(seed);

  // Squares of the parts' lengths when a norm has made the mean square 1.
  const tokenSquare = WIDTH / (1 + (CONSTANT / LENGTH) ** 2);
  const constantSquare = WIDTH - tokenSquare;
  const laterSquare = WIDTH / (3 + (CONSTANT / LENGTH) ** 2);
  const scale = Math.sqrt(HEAD_SIZE);
  const positionGain = Math.sqrt((POSITION_LOGIT * scale) / (TURNING_PAIRS * constantSquare));
  const matchGain = Math.sqrt((MATCH_LOGIT * scale) / (2 * laterSquare));

  const positions = (which: "q" | "k") => {
    const values = new Float32Array(WIDTH * HEAD_SIZE * heads);
    const set = setter(values, WIDTH);
    for (const [head, distance] of [[first, 1] as const, [second, 2] as const]) {
      for (const [pair, angle] of angles.entries()) {
        const row = head * HEAD_SIZE + 2 * (STILL_PAIRS + pair);
        // The query stands `distance` behind where it is, so that it meets the key of that place.
        const phase = which === "q" ? -angle * distance : 0;
        set(row, ALWAYS, positionGain * Math.cos(phase));
        set(row + 1, ALWAYS, positionGain * Math.sin(phase));
      }
    }
    return values;
  };
  const matches = (which: "q" | "k") => {
    const values = new Float32Array(WIDTH * HEAD_SIZE * heads);
    const set = setter(values, WIDTH);
    for (let i = 0; i < DIRECTION; i++) {
      const row = copier * HEAD_SIZE + i;
      set(row, (which === "q" ? TOKEN : BEFORE) + i, matchGain);
      set(row + DIRECTION, (which === "q" ? BEFORE : BEFORE_THAT) + i, matchGain);
    }
    return values;
  };
  /** Heads take the token into their first dimensions, and write it to a part of the stream. */
  const take = (readers: readonly number[]) => {
    const values = new Float32Array(WIDTH * HEAD_SIZE * heads);
    const set = setter(values, WIDTH);
    for (const head of readers) for (let i = 0; i < DIRECTION; i++) set(head * HEAD_SIZE + i, TOKEN + i, 1);
    return values;
  };
  const write = (parts: readonly (readonly [head: number, part: number])[], gain: number) => {
    const values = new Float32Array(WIDTH * HEAD_SIZE * heads);
    const set = setter(values, HEAD_SIZE * heads);
    for (const [head, part] of parts) {
      for (let i = 0; i < DIRECTION; i++) set(part + i, head * HEAD_SIZE + i, gain);
    }
    return values;
  };
  const zeros = () => new Float32Array(WIDTH * HEAD_SIZE * heads);
  const fromFirst = LENGTH / Math.sqrt(tokenSquare);
  const weights: Readonly<Record<string, () => Float32Array>> = {
    "blk.0.attn_q": () => positions("q"),
    "blk.0.attn_k": () => positions("k"),
    "blk.0.attn_v": () => take([first, second]),
    "blk.0.attn_output": () =>
      write(
        [
          [first, BEFORE],
          [second, BEFORE_THAT],
        ],
        fromFirst,
      ),
    "blk.1.attn_q": () => matches("q"),
    "blk.1.attn_k": () => matches("k"),
    "blk.1.attn_v": () => take([copier]),
    "blk.1.attn_output": () => write([[copier, PREDICTED]], LENGTH / Math.sqrt(laterSquare)),
    "blk.2.attn_q": zeros,
    "blk.2.attn_k": zeros,
    "blk.2.attn_v": zeros,
    "blk.2.attn_output": zeros,
  };

  const made = (recipe: string, values: () => Float32Array): TensorSpec["fill"] => ({ kind: "made", recipe, values });
  const constant = (size: number, value: number) => made(`all ${value}`, () => new Float32Array(size).fill(value));
  const fillOf = ({ name, shape }: TensorSpec): TensorSpec["fill"] | undefined => {
    const size = shape.reduce((product, n) => product * n, 1);
    if (name === "token_embd.weight") {
      return made("tokens", () => directions(seed, vocabulary, TOKEN, LENGTH, CONSTANT));
    }
    if (name.endsWith("norm.weight")) return constant(size, 1);
    if (name.includes("ffn_down")) return constant(size, 0);
    const part = weights[name.replace(/\.weight$/, "")];
    return part && made(`${name} of ${first}, ${second}, ${copier}`, part);
  };
  const tensors = decoderTensors(vocabulary, sizes, {}, { embedding: "F16" });
  // Pairs that compare tokens must not turn: their frequency is divided away. Each other gets a frequency of its own.
  const factors = Float32Array.from({ length: HEAD_SIZE / 2 }, (_, pair) => {
    const frequency = FREQUENCY_BASE ** (-pair / (HEAD_SIZE / 2));
    return pair < STILL_PAIRS ? 1e20 : frequency / angles[pair - STILL_PAIRS]!;
  });
  return {
    previous: [
      [0, first],
      [0, second],
    ],
    copying: [1, copier],
    spec: {
      name: "copying",
      architecture: "llama",
      seed,
      vocabulary: "llama-spm",
      metadata: {
        "general.name": text(`Copying ${seed}`),
        "tokenizer.chat_template": text(TEMPLATE),
        "qrhead.test.copying": u32s([1, copier]),
        ...rotaryMetadata("llama", sizes, FREQUENCY_BASE),
      },
      tensors: [
        ...tensors.map((tensor) => ({ ...tensor, fill: fillOf(tensor) ?? tensor.fill })),
        {
          name: "output.weight",
          shape: [WIDTH, vocabulary],
          type: "F16",
          fill: made("predictions", () => directions(seed, vocabulary, PREDICTED, PREDICTION_GAIN, 0)),
        },
        {
          name: "rope_freqs.weight",
          shape: [HEAD_SIZE / 2],
          type: "F32",
          fill: made("still pairs, then turning ones", () => factors),
        },
      ],
    },
  };
}
