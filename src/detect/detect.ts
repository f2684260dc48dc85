import { InputError } from "../errors.ts";
import { DEFAULT_HEAD_COUNT } from "../heads/formats.ts";
import { everyHead } from "../heads/heads.ts";
import { fingerprint } from "../model/fingerprint.ts";
import { loadModel } from "../model/model.ts";
import { selectProfile } from "../prompt/profiles.ts";
import { KvContext } from "../reading/kv-context.ts";
import { ListwiseLayout } from "../reading/listwise.ts";
import type { ModelIdentity } from "../types.ts";
import { collect } from "./collect.ts";
import type { DetectedHeadSet } from "./format.ts";
import { type DetectOptions, parseDetectOptions } from "./options.ts";
import { summarize } from "./summary.ts";

/**
 * Finds the heads of a model that retrieve: rates every head by how it attends to the documents that answer, averaged over
 * labelled examples. *Query-Focused Retrieval Heads* (EMNLP 2025), section 3.1, as its published code does it, or CoRe
 * (arXiv 2510.02219); see `rateHeads` for the equations. Examples without labels: `bootstrapExamples`.
 *
 * Each example is read once, for all heads. Attention of all heads is held meanwhile, `layers × heads × tokens × 8` bytes,
 * and of every example `layers × heads × documents × 4` bytes of scores are kept, twice that for objectives that do not
 * calibrate. A document is its whole span of the prompt, number and title included. `nullQuery` is absent where the
 * objective does not calibrate.
 *
 * From 4 examples on the set says how far it can be trusted (`stability`, `quality`); with `fitWeights`, from 8 on, what
 * weights would add (`fit`).
 *
 * @returns The set that `heads` of `QRRetriever.load` takes, the same one for the same options on the same machine, resumed
 * or not.
 * @throws InputError for wrong options, examples or checkpoints, too few examples for `top: "auto"`, and for a slim model.
 * @throws ContextOverflowError for an example that does not fit, before any is scored; with `skipLong` it is left out.
 * @throws QRHeadError what `QRRetriever.load` and `rank` throw.
 * @example
 * const docs = [{ id: "a", text: "Ada wrote it." }, { id: "b", text: "It rained." }];
 * const heads = await detectHeads({ model: "model.gguf", examples: [{ query: "Who wrote it?", docs, gold: ["a"] }] });
 */
export async function detectHeads(options: DetectOptions): Promise<DetectedHeadSet> {
  const parsed = parseDetectOptions(options);
  const model = await loadModel(parsed.load);
  let context: KvContext | undefined;
  try {
    const { identity, info } = model;
    assertWhole(identity);
    const { name, architecture, layers, heads } = identity;
    const promptModel = { ...identity, bosText: info.bosText, eosText: info.eosText };
    const profile = selectProfile(parsed.load.prompt ?? "auto", promptModel);
    const engine = { model, heads: { heads: everyHead(layers, heads), name: "all" }, profile, options: parsed.load };
    context = new KvContext(engine, new ListwiseLayout(engine));

    const print = await fingerprint(model);
    const run = { prompt: profile.name, fingerprint: print };
    const stableTop = parsed.top === "auto" ? DEFAULT_HEAD_COUNT : parsed.top;
    const collected = await collect(engine, context, parsed, { ...run, stableTop });
    const { slidingWindow } = identity;
    const window = slidingWindow && {
      slidingWindow: { ...slidingWindow, layers: slidingWindow.layers?.slice() ?? null },
    };
    const shape = { name, architecture, layers, heads, fingerprint: print, ...window };
    return summarize(collected, { ...parsed, model: shape, prompt: profile.name });
  } finally {
    await context?.dispose();
    await model.native.dispose();
  }
}

function assertWhole({ fileName, layers, originalLayers }: ModelIdentity): void {
  if (layers === originalLayers) return;
  throw new InputError(
    "INVALID_INPUT",
    `Model ${fileName} was slimmed to layers 0 to ${layers - 1} of ${originalLayers}, and the best heads may be in those ` +
      "that it lacks: find heads with the whole model",
  );
}
