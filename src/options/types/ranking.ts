// Written by `npm run options` from registry.ts: change it there.
import type { HeadSet } from "../../heads/head-set.ts";
import type { Fuse, Head, Prior } from "../../types.ts";
import type { Progress } from "../progress.ts";

/** How documents are scored; each may also be given per call. */
export type ScoringOptions = {
  /** Query whose attention is subtracted. Defaults to the head set's, else `"N/A"`. */
  nullQuery?: string | undefined;
  /** Subtract the null query's attention. Defaults to `true`. */
  calibration?: boolean | undefined;
  /** Drop each document's tokens at or below mean − 2·std. Defaults to `true`. */
  mask?: boolean | undefined;
  /** Use the head set's weights, if it has any. Defaults to `true`. */
  weights?: boolean | undefined;
  /** Order of the documents in the prompt. Defaults to `"given"`. `"reverse"` puts the first one next to the query. */
  order?: "given" | "reverse" | undefined;
  /**
   * Documents in one prompt, or each by itself. Defaults to the layout of the head set (`"independent"` for the
   * built-in models); else, or with `windows` as an object, `"listwise"`. `"listwise"`, the published setting:
   * documents are numbered in one prompt, and each sees those before it. `"independent"`: each is read by itself and
   * the query attends to all, so their order has no effect and a cached document is not read again.
   */
  layout?: "listwise" | "independent" | undefined;
  /**
   * Cut each document's text after this many tokens. An integer of at least 1. Defaults to no limit. A title is cut
   * to the same length, but not below 32. The result then has `truncated`.
   */
  maxDocumentTokens?: number | undefined;
  /**
   * What to do when the documents do not fit one prompt. Defaults to `"auto"`. `"auto"` ranks them in windows,
   * `"never"` fails. An object sets how; with a window size, windows are used even if one prompt would do.
   */
  windows?: "auto" | "never" | WindowOptions | undefined;
};

/** What `QRRetriever.load` takes. */
export type LoadOptions = ScoringOptions & {
  /**
   * `mini`, `base` (needs the package `qrhead-base`), the path of a GGUF, the name of a pulled model, or an `hf:`
   * URI. Defaults to `mini`.
   */
  model?: string | undefined;
  /**
   * Folder for models that are given by a URI, and for the names of pulled models. Defaults to `QRHEAD_MODELS` or the
   * system's folder for names, node-llama-cpp's folder for URIs. qrhead then downloads
   * `hf:OWNER/REPOSITORY/FILE.gguf` and http(s) URLs itself, without node-llama-cpp.
   */
  modelsDirectory?: string | undefined;
  /**
   * Heads to rank with. Defaults to `"auto"`. `"auto"` for the set published for this model, `"all"`,
   * `"random:N:SEED"`, `"13-18,13-21"`, a published set's name, the path of a head-set file, `[layer, head]` pairs,
   * or a head set.
   */
  heads?: string | readonly Head[] | HeadSet | undefined;
  /**
   * Prompt format. Defaults to `"auto"`: the published prompt for models of its family, else the model's template.
   * `"question"`: the model's template, or none, with an instruction to answer instead of to find.
   */
  prompt?: "auto" | "llama3" | "qwen2.5" | "template" | "plain" | "question" | undefined;
  /**
   * Tokens that a prompt may have. An integer from 16 to 134217728. Defaults to what a call needs, up to what the
   * model was trained for.
   */
  contextSize?: number | undefined;
  /**
   * Tokens of one forward pass. An integer from 1 to 16384. Defaults to `512`. More is faster and takes more memory.
   */
  batchSize?: number | undefined;
  /** Type of the K cache. Defaults to `"f16"`. */
  cacheTypeK?: "f32" | "f16" | "bf16" | "q8_0" | "q5_1" | "q5_0" | "q4_1" | "q4_0" | undefined;
  /** Type of the V cache. Defaults to `"f16"`. */
  cacheTypeV?: "f32" | "f16" | "bf16" | "q8_0" | "q5_1" | "q5_0" | "q4_1" | "q4_0" | undefined;
  /** Use flash attention; without it the passes are slower. Defaults to `true`. */
  flashAttention?: boolean | undefined;
  /** Build of llama.cpp. Defaults to `"auto"`: the best that this machine has a driver for. `false` is the CPU. */
  gpu?: "auto" | false | "cuda" | "vulkan" | "metal" | undefined;
  /**
   * Layers to put on the GPU. An integer of at least 0. Defaults to all that are computed. The first layers go to the
   * GPU. Layers above the deepest head are never computed and take no GPU memory, unless the model is loaded with
   * `generates`.
   */
  gpuLayers?: number | undefined;
  /**
   * CPU threads. An integer from 1 to 512. Defaults to the processors that this process may use (affinity, a
   * container's quota) and that are free when the model is loaded, at most 8. More threads than free processors are
   * several times slower.
   */
  threads?: number | undefined;
  /** Folder of another llama.cpp build of the same release. Defaults to `QRHEAD_LLAMA_DIR`, then node-llama-cpp's. */
  libraryDirectory?: string | undefined;
  /** End every forward pass after the deepest wanted layer. Defaults to `true`. */
  earlyStop?: boolean | undefined;
  /**
   * Bytes that corpora and cached independent documents may take together. Defaults to a quarter of the machine's
   * memory, of which the documents of `rank` take at most 512 MiB. The least recently used are evicted, never those
   * in use. Several retrievers of a thread share the largest of their limits.
   */
  corpusMemory?: number | undefined;
  /**
   * Put all layers on the GPU, because the model will also write text. Defaults to `false`. Has no effect without a
   * GPU.
   */
  generates?: boolean | undefined;
  /** Map the file into memory instead of reading it. Defaults to `true`. */
  mmap?: boolean | undefined;
  /**
   * `"process"` first loads the file and runs one forward pass in a process of its own, with `checkTensors`. Defaults
   * to `"none"`. A damaged file that ends llama.cpp then gives `MODEL_LOAD_FAILED`. It takes about as long as loading
   * and one short call.
   */
  check?: "none" | "process" | undefined;
  /**
   * Time limit of `check`, in milliseconds. An integer of at least 1, in milliseconds. Defaults to two minutes, and
   * one more for every gigabyte of the file.
   */
  checkTimeout?: number | undefined;
  /**
   * Read every tensor while loading. Defaults to `false`. NaN, infinite values, and zeros where no trained model has
   * them, then give `MODEL_LOAD_FAILED`. Norms and biases are always checked.
   */
  checkTensors?: boolean | undefined;
  /** Stops the loading. */
  signal?: AbortSignal | undefined;
  /** Called as the work goes on. */
  onProgress?: ((progress: Progress) => void) | undefined;
};

/** What `retriever.rank` takes. */
export type RankOptions = ScoringOptions & {
  /** Return only the best N results. An integer of at least 1. Defaults to all. */
  topK?: number | undefined;
  /**
   * Leave out results whose `relevance` is below this. A number from 0 to 1. Defaults to no threshold; `abstained`
   * then uses 0.5. `belowThreshold` counts them. If none reaches it, the result is empty and `abstained`.
   */
  threshold?: number | undefined;
  /**
   * Scores of a first stage that join the heads'. Defaults to `"bm25"` with `fuse`, or if the head set says so, as
   * for the built-in models; else none. One number per document in an array or a typed array, higher is better;
   * `"bm25"` computes BM25 over the documents themselves.
   */
  prior?: Prior | undefined;
  /**
   * How a first stage's scores join the heads'. Defaults to the head set's (`{ weight: 0.5 }` for the built-in
   * model); `{ weight: 0.5 }` if `prior` is a list, or if there is a `prior` and the head set has none; else none.
   * `"rrf"` fuses ranks; `{ weight }` is the sum of z-scores, `weight` for the heads and 1 − `weight` for the first
   * stage.
   */
  fuse?: Fuse | undefined;
  /** Add to every result what each head contributes to its score. Defaults to `false`. */
  headScores?: boolean | undefined;
  /**
   * Add to every result its tokens with their scores. Defaults to `false`. Windows are then merged by `"calibrated"`
   * by default.
   */
  tokenScores?: boolean | undefined;
  /** Stops the call within one forward pass; it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called as the work goes on. */
  onProgress?: ((progress: Progress) => void) | undefined;
};

/** How windows are made and merged: `windows` as an object. */
export type WindowOptions = {
  /** Tokens of one window's prompt. An integer of at least 16. Defaults to what the context holds. */
  windowTokens?: number | undefined;
  /** Documents of one window. An integer of at least 2. Defaults to as many as fit. */
  windowDocuments?: number | undefined;
  /**
   * How windows become one ranking. Defaults to `"tournament"`, which ranked best in our measurements and reads 1.6
   * to 1.7 times the prompts of `"calibrated"`; with token scores `"calibrated"`, which reads every document once.
   */
  merge?: "calibrated" | "final" | "tournament" | "sliding" | undefined;
  /**
   * Tokens of the passages of a document that does not fit and is cut. An integer of at least 8. Defaults to half a
   * window, at most 512.
   */
  passageTokens?: number | undefined;
};
