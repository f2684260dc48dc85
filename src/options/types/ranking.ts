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
  /** Drop of each document the tokens at or below mean − 2·std. Defaults to `true`. */
  mask?: boolean | undefined;
  /** Use the weights that a head set gives its heads, where it has some. Defaults to `true`. */
  weights?: boolean | undefined;
  /** Order of the documents in the prompt. Defaults to `"given"`. `"reverse"` puts the first one next to the query. */
  order?: "given" | "reverse" | undefined;
  /**
   * Documents in one prompt, or each by itself. Defaults to `"listwise"`. `"listwise"`, the published setting:
   * documents stand in one prompt, numbered, and each sees those before it. `"independent"`: each is read by itself
   * and the query attends to all of them, so that their order does not matter and one that was read before is not
   * read again.
   */
  layout?: "listwise" | "independent" | undefined;
  /**
   * Cut each document's text after this many tokens. An integer of at least 1. Defaults to no limit. A title is cut
   * after as many, but not below 32. The result then has `truncated`.
   */
  maxDocumentTokens?: number | undefined;
  /**
   * What to do when the documents do not fit one prompt. Defaults to `"auto"`. `"auto"` ranks them in windows,
   * `"never"` is an error, and an object says how, and to use windows also where one prompt would do if the window's
   * size is given.
   */
  windows?: "auto" | "never" | WindowOptions | undefined;
};

/** What `QRRetriever.load` takes. */
export type LoadOptions = ScoringOptions & {
  /**
   * `mini`, or `base` where the package `qrhead-base` is installed; the path of a GGUF, the name of a pulled model,
   * or an `hf:` URI. Defaults to `mini`.
   */
  model?: string | undefined;
  /**
   * Folder that models named by a URI are downloaded into, and that names of pulled models are looked up in. Defaults
   * to `QRHEAD_MODELS` or the system's folder for names, node-llama-cpp's folder for URIs.
   * `hf:OWNER/REPOSITORY/FILE.gguf` and http(s) addresses are then fetched by qrhead itself, without node-llama-cpp.
   */
  modelsDirectory?: string | undefined;
  /**
   * Heads to rank with. Defaults to `"auto"`. `"auto"` for the set published for this model, `"all"`,
   * `"random:N:SEED"`, `"13-18,13-21"`, a published set's name, the path of a head-set file, `[layer, head]` pairs,
   * or a head set.
   */
  heads?: string | readonly Head[] | HeadSet | undefined;
  /**
   * Prompt format. Defaults to `"auto"`: the published one where the model is of its family, else the model's
   * template.
   */
  prompt?: "auto" | "llama3" | "qwen2.5" | "template" | "plain" | undefined;
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
  /** Compute attention beside flash attention; `false` reads it from the slower path. Defaults to `true`. */
  flashAttention?: boolean | undefined;
  /** Build of llama.cpp. Defaults to `"auto"`: the best that this machine has a driver for. `false` is the CPU. */
  gpu?: "auto" | false | "cuda" | "vulkan" | "metal" | undefined;
  /**
   * Layers to put on the GPU. An integer of at least 0. Defaults to all that are computed. Layers above the deepest
   * head are never computed and take no GPU memory unless the model is loaded with `generates`; the first ones go
   * there.
   */
  gpuLayers?: number | undefined;
  /**
   * CPU threads. An integer from 1 to 512. Defaults to the processors that this process may use (affinity, a
   * container's quota) and that other processes leave free when the model is loaded, at most 8. More threads than
   * free processors are several times slower.
   */
  threads?: number | undefined;
  /** Folder of another llama.cpp build of the same release. Defaults to `QRHEAD_LLAMA_DIR`, then node-llama-cpp's. */
  libraryDirectory?: string | undefined;
  /** End every forward pass after the deepest wanted layer. Defaults to `true`. */
  earlyStop?: boolean | undefined;
  /**
   * Bytes that corpora and independent documents which were read may hold together. Defaults to a quarter of the
   * machine's memory. Those used least recently are evicted, and what is in use stays. Several retrievers together
   * hold no more than the largest of their bounds.
   */
  corpusMemory?: number | undefined;
  /**
   * The model will write text as well, so that all its layers belong on the GPU. Defaults to `false`. Of no matter
   * without one.
   */
  generates?: boolean | undefined;
  /** Map the file into memory instead of reading it. Defaults to `true`. */
  mmap?: boolean | undefined;
  /**
   * `"process"` loads the file and runs one forward pass in a process of its own first, with `checkTensors`. Defaults
   * to `"none"`. What ends llama.cpp in a damaged file is `MODEL_LOAD_FAILED` then. It takes about as long as loading
   * and one short call.
   */
  check?: "none" | "process" | undefined;
  /**
   * Milliseconds after which the process of `check` is ended. An integer of at least 1, in milliseconds. Defaults to
   * two minutes, and one more for every gigabyte of the file.
   */
  checkTimeout?: number | undefined;
  /**
   * Read every tensor while loading. Defaults to `false`. NaN, infinite values, and zeros where no trained model has
   * them, are `MODEL_LOAD_FAILED` then. Norms and biases are looked at in any case.
   */
  checkTensors?: boolean | undefined;
  /** Stops the loading. */
  signal?: AbortSignal | undefined;
  /** Called as the work goes on. */
  onProgress?: ((progress: Progress) => void) | undefined;
};

/** What `retriever.rank` takes. */
export type RankOptions = ScoringOptions & {
  /** Return the best this many. An integer of at least 1. Defaults to all. */
  topK?: number | undefined;
  /**
   * Leave out results whose `relevance` is below this. A number from 0 to 1. Defaults to none left out; `abstained`
   * then goes by 0.5. How many these were is `belowThreshold`; where none reaches it the result is empty and
   * `abstained`.
   */
  threshold?: number | undefined;
  /**
   * Scores of a first stage that join the heads'. Defaults to none, and `"bm25"` where there is `fuse`, or where the
   * head set ranks better with it. One number a document, higher is better; `"bm25"` computes BM25 over the documents
   * themselves.
   */
  prior?: Prior | undefined;
  /**
   * How a first stage's scores join the heads'. Defaults to `{ weight: 0.5 }` where there is a prior; the head set's,
   * which is .6 for the built-in model; else none. `"rrf"` fuses ranks; `{ weight }` is the sum of z-scores, `weight`
   * for the heads and 1 − `weight` for the first stage.
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
   * How windows become one ranking. Defaults to `"tournament"`, which ranked best where it was measured and reads 1.6
   * to 1.7 times the prompts of `"calibrated"`; with token scores `"calibrated"`, which reads every document once.
   */
  merge?: "calibrated" | "final" | "tournament" | "sliding" | undefined;
  /**
   * Tokens of the passages that a document is cut into when it does not fit. An integer of at least 8. Defaults to
   * half a window, at most 512.
   */
  passageTokens?: number | undefined;
};
