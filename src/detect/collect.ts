import { ContextOverflowError, InputError, QRHeadError } from "../errors.ts";
import { seededRandom, shuffled } from "../heads/heads.ts";
import { blindHeads, choosable } from "./blind-heads.ts";
import { type Checkpoint, openCheckpoint } from "./checkpoint.ts";
import type { DetectionExample } from "./examples.ts";
import { type ExampleScores, rateHeads } from "./objectives.ts";
import type { ExampleProgress, ParsedDetectOptions } from "./options.ts";
import type { ExampleScorer, PromptSize } from "./scorer.ts";
import { overlapOf } from "./stability.ts";

/** `untilStable` is looked at from this many examples on, and then every few. */
const FIRST_LOOK = 8;
const LOOK_EVERY = 4;

/** Advice for callers of the library. A command with a switch for it replaces these words. */
export const FEWER_DOCUMENTS = "fewer documents in each example";

export type Collected = {
  examples: ExampleScores[];
  /** Of each example, one number per head; −Infinity for heads that are not to be chosen, see `blindHeads`. */
  rates: Float64Array[];
  /** Examples left out because they are longer than the context. */
  skipped: number;
};

/** The examples to use, in the order to use them. */
function chooseExamples({ examples, shuffle, limit }: ParsedDetectOptions): DetectionExample[] {
  return (shuffle === undefined ? examples : shuffled(examples, seededRandom(shuffle))).slice(0, limit);
}

/**
 * Scores of every head for every example, `heads × documents × 4` bytes each (twice that for objectives that do not
 * calibrate), from the checkpoint where it has them.
 *
 * @param stableTop How many heads `untilStable` is about.
 */
export async function collect(
  scorer: ExampleScorer,
  options: ParsedDetectOptions,
  { stableTop }: { stableTop: number },
): Promise<Collected> {
  const { objective, temperature, untilStable, seed, onExample } = options;
  const { signal } = options.load;
  const { prompt, fingerprint } = scorer;
  const heads = scorer.model.layers * scorer.model.heads;
  const all = chooseExamples(options);
  // Check all lengths first, so that hours of work do not end at an example that does not fit.
  const { kept: examples, promptTokens } = await fitting(scorer, all, options);
  const blind = blindHeads(scorer.model, promptTokens);
  const rate = (scores: ExampleScores) => choosable(rateHeads(scores, objective, temperature), blind);

  const checkpoint = await open(options, examples, heads, { prompt, fingerprint });
  const remaining = scorer.score(examples.slice(checkpoint?.known.length ?? 0));
  try {
    const scores = [...(checkpoint?.known ?? [])];
    const rates = scores.map(rate);
    const resumed = scores.length;
    const report = (progress: Omit<ExampleProgress, "phase" | "resumed">) =>
      onExample?.({ phase: "score", ...progress, ...(resumed > 0 && { resumed }) });
    if (resumed > 0) report({ done: resumed, total: examples.length, id: examples[resumed - 1]!.id });
    for (let done = resumed; done < examples.length; done++) {
      if (untilStable !== undefined && isStable(rates, stableTop, untilStable, seed)) break;
      signal?.throwIfAborted();
      const example = examples[done]!;
      const found = await located(example, async () => (await remaining.next()).value as ExampleScores);
      await checkpoint?.append(example, found);
      scores.push(found);
      rates.push(rate(found));
      report({ done: done + 1, total: examples.length, id: example.id });
    }
    return { examples: scores, rates, skipped: all.length - examples.length };
  } finally {
    await remaining.return(undefined);
    await checkpoint?.close();
  }
}

function isStable(rates: readonly Float64Array[], top: number, share: number, seed: number): boolean {
  const { length } = rates;
  if (length < FIRST_LOOK || length % LOOK_EVERY !== 0) return false;
  return overlapOf(rates, top, { size: length / 2, seed }) >= share;
}

/** The examples whose prompts fit, and how long these are; with `skipLong` the others are left out, without it they are an error. */
async function fitting(
  scorer: ExampleScorer,
  all: readonly DetectionExample[],
  options: ParsedDetectOptions,
): Promise<{ kept: DetectionExample[]; promptTokens: number[] }> {
  const kept: DetectionExample[] = [];
  const promptTokens: number[] = [];
  const prompts = scorer.measure(all);
  for (const [index, example] of all.entries()) {
    options.load.signal?.throwIfAborted();
    const { tokens, overflow } = await located(example, async () => (await prompts.next()).value as PromptSize);
    if (!overflow) {
      kept.push(example);
      promptTokens.push(tokens);
    } else if (!options.skipLong) await located(example, () => Promise.reject(overflow));
    options.onExample?.({ phase: "check", done: index + 1, total: all.length, id: example.id });
  }
  if (kept.length > 0) return { kept, promptTokens };
  throw new InputError(
    "INVALID_INPUT",
    `${all.length === 1 ? "The only example is" : `All ${all.length} examples are`} longer than the context`,
    {
      advice: `use a larger contextSize, ${FEWER_DOCUMENTS}, or cut long ones with maxDocumentTokens`,
    },
  );
}

function open(
  { checkpoint, resume, name, nullQuery, mask, load }: ParsedDetectOptions,
  examples: readonly DetectionExample[],
  heads: number,
  run: { prompt: string; fingerprint: string },
): Promise<Checkpoint> | undefined {
  if (checkpoint === undefined) return undefined;
  const { maxDocumentTokens, batchSize, cacheTypeK, cacheTypeV, flashAttention } = load;
  const passes = { maxDocumentTokens, batchSize, cacheTypeK, cacheTypeV, flashAttention };
  const given = Object.fromEntries(Object.entries(passes).map(([option, value]) => [option, value ?? null]));
  return openCheckpoint(
    checkpoint,
    { ...run, objective: name, nullQuery, mask, ...given },
    { examples, heads, resume },
  );
}

/** Runs work on an example; its error then says which example it is about. */
async function located<T>({ position, id }: DetectionExample, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const where = `${position} (id ${JSON.stringify(id)})`;
    if (error instanceof ContextOverflowError) {
      const { promptTokens, contextSize } = error;
      const advice =
        `use a contextSize of at least ${promptTokens}, ${FEWER_DOCUMENTS}, cut long ones with ` +
        "maxDocumentTokens, or leave such examples out with skipLong: true";
      throw new ContextOverflowError(promptTokens, contextSize, `The prompt of ${where}`, advice);
    }
    if (!(error instanceof QRHeadError) || error instanceof InputError) throw error;
    throw new QRHeadError(error.code, `${where}: ${error.message}`, { cause: error });
  }
}
