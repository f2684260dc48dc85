import { isSignal, ownSignal } from "../util/abort-signal.ts";
import { CACHE_TYPES, GPU_NAMES, PROMPT_NAMES } from "./choices.ts";
import { callback, choice, integer, type OptionSet, other, text, toggle } from "./spec.ts";

const MODEL = "Model";
const PASSES = "Forward passes";

export const signal = other({
  ...{
    type: "AbortSignal",
    expected: "an AbortSignal",
    accepts: isSignal,
    take: (value) => ownSignal(value as AbortSignal),
  },
  says: "stops the call within one forward pass; it rejects with the signal's reason",
});

export const onProgress = callback("(progress: Progress) => void", { says: "called as the work goes on" });

/** Which build of llama.cpp runs, and on how many threads. */
export const DEVICE = {
  gpu: other({
    ...{ type: '"auto" | false | "cuda" | "vulkan" | "metal"', flag: "--gpu <WHICH>", group: MODEL },
    expected: '"auto", false, "cuda", "vulkan" or "metal"',
    accepts: (value) => value === false || (value !== "false" && (GPU_NAMES as readonly unknown[]).includes(value)),
    choices: GPU_NAMES,
    says: "build of llama.cpp",
    ...{ default: '`"auto"`: the best that this machine has a driver for', shortDefault: "auto" },
    more: "`false` is the CPU.",
  }),
  gpuLayers: integer({
    ...{ min: 0, max: 2 ** 20, flag: "-ngl, --gpu-layers <N>", group: MODEL },
    expected: "an integer of at least 0",
    says: "layers to put on the GPU",
    more: "The first layers go to the GPU. Layers above the deepest head are never computed and take no GPU memory, unless the model is loaded with `generates`.",
    ...{ default: "all that are computed", shortDefault: "all" },
  }),
  threads: integer({
    ...{ min: 1, max: 512, flag: "-t, --threads <N>", group: MODEL },
    says: "CPU threads",
    default:
      "the processors that this process may use (affinity, a container's quota) and that are free when the model is loaded, at most 8",
    shortDefault: "the processors that are free, at most 8",
    more: "More threads than free processors are several times slower.",
  }),
  libraryDirectory: text({
    ...{ flag: "--library <DIR>", group: MODEL, expected: "a folder" },
    says: "folder of another llama.cpp build of the same release",
    ...{ default: "`QRHEAD_LLAMA_DIR`, then node-llama-cpp's", shortDefault: "node-llama-cpp's" },
  }),
} as const satisfies OptionSet;

export const model = text({
  ...{ flag: "-m, --model <M>", group: MODEL, expected: "base, mini, a path or an hf: URI" },
  says: "`mini`, `base` (needs the package `qrhead-base`), the path of a GGUF, the name of a pulled model, or an `hf:` URI",
  env: "QRHEAD_MODEL",
  flagSays: "mini, base, a GGUF's path, a pulled model, or an hf: URI",
  default: "`mini`",
  shortDefault: "mini",
});

/** Where models that are named, and not given as a path, are kept. */
const modelsDirectory = text({
  expected: "a folder",
  says: "folder for models that are given by a URI, and for the names of pulled models",
  more: "qrhead then downloads `hf:OWNER/REPOSITORY/FILE.gguf` and http(s) URLs itself, without node-llama-cpp.",
  default: "`QRHEAD_MODELS` or the system's folder for names, node-llama-cpp's folder for URIs",
});

/** Sizes and types of the forward passes. */
export const PASS = {
  contextSize: integer({
    ...{ min: 16, max: 2 ** 27, flag: "-c, --context-size <N>", group: PASSES },
    says: "tokens that a prompt may have",
    ...{ default: "what a call needs, up to what the model was trained for", shortDefault: "as needed" },
  }),
  batchSize: integer({
    ...{ min: 1, max: 16384, flag: "-b, --batch-size <N>", group: PASSES },
    says: "tokens of one forward pass",
    more: "More is faster and takes more memory.",
    ...{ default: "`512`", shortDefault: "512" },
  }),
  cacheTypeK: choice({
    ...{ choices: CACHE_TYPES, flag: "-ctk, --cache-type-k <TYPE>", group: PASSES, expected: CACHE_TYPES.join(", ") },
    says: "type of the K cache",
    ...{ default: '`"f16"`', shortDefault: "f16" },
  }),
  cacheTypeV: choice({
    ...{ choices: CACHE_TYPES, flag: "-ctv, --cache-type-v <TYPE>", group: PASSES, expected: CACHE_TYPES.join(", ") },
    says: "type of the V cache",
    ...{ default: '`"f16"`', shortDefault: "f16" },
  }),
  flashAttention: toggle({
    ...{ flag: "--no-flash-attention", flagSays: "turn flash attention off (slower)", group: PASSES },
    says: "use flash attention; without it the passes are slower",
    default: "`true`",
  }),
} as const satisfies OptionSet;

export const heads = other({
  type: "string | readonly Head[] | HeadSet",
  expected: "a string, a list of [layer, head] pairs or a head set",
  accepts: (value) => typeof value === "string" || (typeof value === "object" && value !== null),
  says: "heads to rank with",
  more: '`"auto"` for the set published for this model, `"all"`, `"random:N:SEED"`, `"13-18,13-21"`, a published set\'s name, the path of a head-set file, `[layer, head]` pairs, or a head set.',
  ...{ default: '`"auto"`', shortDefault: "auto" },
  ...{ flag: "--heads <SPEC>", group: MODEL },
  flagExpected: "a specification of heads",
  flagSays: "auto, all, random:N:SEED, 13-18,13-21,…, a set's name or file",
});

export const withoutHeads = other({
  type: "string | readonly Head[] | HeadSet",
  expected: "a string, a list of [layer, head] pairs or a head set",
  accepts: (value) => typeof value === "string" || (typeof value === "object" && value !== null),
  says: "heads to take out: their output is zero while the model reads and writes",
  more: "Takes what `heads` takes.",
  ...{ default: "none", shortDefault: "none", flag: "--without-heads <SPEC>" },
  flagExpected: "a specification of heads",
  flagSays: "take these heads out of the model: random:N:SEED, 13-18,…, a set's name or file",
});

export const prompt = choice({
  ...{ choices: PROMPT_NAMES, flag: "--prompt <NAME>", group: "Prompt and scores" },
  expected: PROMPT_NAMES.map((name) => JSON.stringify(name)).join(", "),
  says: "prompt format",
  more: '`"question"`: the model\'s template, or none, with an instruction to answer instead of to find.',
  default: '`"auto"`: the published prompt for models of its family, else the model\'s template',
  shortDefault: "auto",
});

/** What loading takes beside the options of scoring. */
export const LOADING = {
  model,
  modelsDirectory,
  heads,
  prompt,
  ...PASS,
  ...DEVICE,
  earlyStop: toggle({ says: "end every forward pass after the deepest wanted layer", default: "`true`" }),
  corpusMemory: integer({
    ...{ min: 0, max: Number.MAX_SAFE_INTEGER, expected: "a number of bytes, an integer of at least 0" },
    says: "bytes that corpora and cached independent documents may take together",
    default: "a quarter of the machine's memory, of which the documents of `rank` take at most 512 MiB",
    more: "The least recently used are evicted, never those in use. Several retrievers of a thread share the largest of their limits.",
  }),
  generates: toggle({
    says: "put all layers on the GPU, because the model will also write text",
    more: "Has no effect without a GPU.",
    default: "`false`",
  }),
  mmap: toggle({ says: "map the file into memory instead of reading it", default: "`true`" }),
  check: choice({
    ...{ choices: ["none", "process"], flag: "--check", group: MODEL },
    says: '`"process"` first loads the file and runs one forward pass in a process of its own, with `checkTensors`',
    flagSays: "first load and try the model in a process of its own",
    more: "A damaged file that ends llama.cpp then gives `MODEL_LOAD_FAILED`. It takes about as long as loading and one short call.",
    default: '`"none"`',
  }),
  checkTimeout: integer({
    ...{ min: 1, max: 2 ** 31 - 1, unit: "milliseconds" },
    says: "time limit of `check`, in milliseconds",
    default: "two minutes, and one more for every gigabyte of the file",
  }),
  checkTensors: toggle({
    says: "read every tensor while loading",
    more: "NaN, infinite values, and zeros where no trained model has them, then give `MODEL_LOAD_FAILED`. Norms and biases are always checked.",
    default: "`false`",
  }),
  signal: { ...signal, says: "stops the loading" },
  onProgress,
} as const satisfies OptionSet;
