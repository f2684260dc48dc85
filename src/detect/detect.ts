import { DEFAULT_HEAD_COUNT } from "../heads/formats.ts";
import { collect } from "./collect.ts";
import type { DetectedHeadSet } from "./format.ts";
import { type DetectOptions, type ParsedDetectOptions, parseDetectOptions } from "./options.ts";
import { type ExampleScorer, openScorer } from "./scorer.ts";
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
 * Heads whose rating is not above zero are chosen only if `top` is a number that asks for so many. Heads of layers with a sliding
 * window are chosen only where half of the examples' prompts, or more, fit into it: see
 * `blindHeads`.
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
  await using scorer = await openScorer(parsed);
  return await detectWith(scorer, parsed);
}

/** `detectHeads` with what scores the examples. */
export async function detectWith(scorer: ExampleScorer, options: ParsedDetectOptions): Promise<DetectedHeadSet> {
  const { name, architecture, layers, heads, slidingWindow } = scorer.model;
  const stableTop = typeof options.top === "number" ? options.top : DEFAULT_HEAD_COUNT;
  const collected = await collect(scorer, options, { stableTop });
  const window = slidingWindow && {
    slidingWindow: { ...slidingWindow, layers: slidingWindow.layers?.slice() ?? null },
  };
  const shape = { name, architecture, layers, heads, fingerprint: scorer.fingerprint, ...window };
  return summarize(collected, { ...options, model: shape, prompt: scorer.prompt });
}
