import { existsSync } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import path from "node:path";
import { InputError, QRHeadError } from "../errors.ts";
import { deepestLayer, headKey } from "../heads/heads.ts";
import { callNative } from "../native/call.ts";
import { loadLibrary } from "../native/library.ts";
import { DEFAULT_NULL_QUERY, type LoadOptions } from "../options.ts";
import type { Ranker } from "../ranking/retriever.ts";
import type { Head } from "../types.ts";
import { assertWritable, makeOutput } from "../util/output-file.ts";
import { ORIGINAL_LAYERS_KEY } from "./model.ts";
import { selfTest } from "./self-test.ts";

export type SlimOptions = Pick<
  LoadOptions,
  "model" | "heads" | "gpu" | "gpuLayers" | "threads" | "libraryDirectory" | "check" | "onProgress"
> & {
  /** How both files are loaded: `QRRetriever.load`. */
  load: (options: LoadOptions) => Promise<Ranker>;
  /** Path of the file to write. */
  output: string;
  /** Replace `output` if it exists. Defaults to `false`. */
  force?: boolean | undefined;
  /** Rank with both files and require the same scores to the last bit. Defaults to `true`. */
  verify?: boolean | undefined;
  /** Checked between steps; the copy itself cannot be stopped. */
  signal?: AbortSignal | undefined;
};

export type SlimResult = {
  input: string;
  output: string;
  heads: Head[];
  headSet: string;
  /** Layers of the whole model. */
  originalLayers: number;
  /** Layers of the file that was read; fewer than `originalLayers` if it was slim already. */
  inputLayers: number;
  /** Layers of the file that was written. */
  layers: number;
  /** Sizes of the files. */
  inputBytes: number;
  outputBytes: number;
  /** Whether both files were seen to give the same scores. */
  verified: boolean;
};

/**
 * Writes a GGUF without the layers above the deepest one that the heads need. It ranks as the whole model does, to the
 * bit, with these heads or any up to that layer; it cannot generate text.
 *
 * The file appears under its name only when it is complete and checked. Of a model in several files, name the first.
 *
 * @throws InputError when `output` exists, stands for the model itself, has no folder, or nothing could be left out.
 * @throws QRHeadError `ENGINE_FAILED` when the scores differ, and what `QRRetriever.load` throws.
 */
export async function slimModel(options: SlimOptions): Promise<SlimResult> {
  const { load, force, verify = true, signal, onProgress } = options;
  const output = path.resolve(options.output);
  await assertWritable(output, force ?? false);

  const whole = await examine(load, { ...loadOptions(options), heads: options.heads, check: options.check }, verify, {
    signal,
    onProgress,
  });
  const { model, heads } = whole;
  const layers = deepestLayer(heads) + 1;
  if (existsSync(output) && (await realpath(model.path)) === (await realpath(output))) {
    throw new InputError("INVALID_INPUT", `The output ${options.output} is the model itself: write to another file`);
  }
  if (layers >= model.layers) {
    const deepest = heads.find(([layer]) => layer === layers - 1)!;
    throw new InputError(
      "INVALID_INPUT",
      `Nothing would be saved: head ${headKey(deepest)} needs layer ${layers - 1}, the last of ${model.fileName}: use the whole model`,
    );
  }

  signal?.throwIfAborted();
  const { addon } = await loadLibrary(options);
  // The native copy writes by name, into the file that is made here.
  return makeOutput(
    output,
    { force: force ?? false, what: "slim model", shared: true },
    async ({ path: temporary }) => {
      await callNative(addon, undefined, () =>
        addon.slimModel({
          input: model.path,
          output: temporary,
          layers,
          totalLayers: model.layers,
          metadata: { [ORIGINAL_LAYERS_KEY]: String(model.originalLayers) },
        }),
      );
      signal?.throwIfAborted();
      const slim = await examine(load, { ...loadOptions(options), model: temporary, heads }, verify, {
        signal,
        onProgress,
      });
      if (slim.model.layers !== layers || slim.model.originalLayers !== model.originalLayers) {
        throw new QRHeadError(
          "ENGINE_FAILED",
          `The slim file has ${slim.model.layers} layers where ${layers} were expected`,
        );
      }
      if (verify && !isSame(whole.scores!, slim.scores!)) {
        throw new QRHeadError("ENGINE_FAILED", `The slim file ranks differently from ${model.path}: it was not kept`);
      }
      return {
        input: model.path,
        output,
        heads,
        headSet: whole.headSet,
        originalLayers: model.originalLayers,
        inputLayers: model.layers,
        layers,
        inputBytes: await sizeOf(model.path),
        outputBytes: (await stat(temporary)).size,
        verified: verify,
      };
    },
  );
}

function loadOptions({ model, gpu, gpuLayers, threads, libraryDirectory }: SlimOptions): LoadOptions {
  // The same null query for both files, whatever the head set says: the slim one is read with bare heads.
  return { model, gpu, gpuLayers, threads, libraryDirectory, nullQuery: DEFAULT_NULL_QUERY };
}

/** What a file is, and how it scores documents if that is asked. It is closed again, so that one is open at a time. */
async function examine(
  load: SlimOptions["load"],
  options: LoadOptions,
  rank: boolean,
  callbacks: Pick<LoadOptions, "signal" | "onProgress">,
) {
  await using retriever = await load({ ...options, ...callbacks });
  const { model, heads, headSet } = retriever;
  if (!rank) return { model, heads, headSet };
  const { result } = await selfTest(retriever, callbacks);
  return { model, heads, headSet, scores: result.results.map(({ index, score }) => [index, score] as const) };
}

type Scores = readonly (readonly [index: number, score: number])[];

function isSame(a: Scores, b: Scores): boolean {
  return a.every(([index, score], rank) => b[rank]![0] === index && Object.is(b[rank]![1], score));
}

const SHARD = /-00001-of-(\d{5})\.gguf$/i;

/** Bytes of a model, of all its files where it comes in several. */
async function sizeOf(file: string): Promise<number> {
  const count = Number(SHARD.exec(file)?.[1] ?? 1);
  let bytes = (await stat(file)).size;
  for (let shard = 2; shard <= count; shard++) {
    const sibling = file.replace("-00001-of-", `-${String(shard).padStart(5, "0")}-of-`);
    if (existsSync(sibling)) bytes += (await stat(sibling)).size;
  }
  return bytes;
}
