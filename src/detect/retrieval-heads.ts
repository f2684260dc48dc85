import { invalidArgument, QRHeadError } from "../errors.ts";
import { readHeadFile } from "../heads/head-file.ts";
import { everyHead, headKey } from "../heads/heads.ts";
import { resolveHeads } from "../heads/spec.ts";
import { fingerprint } from "../model/fingerprint.ts";
import { type LoadedModel, loadModel } from "../model/model.ts";
import { assertWhole } from "../model/writes.ts";
import type { NativeContext } from "../native/addon-types.ts";
import { callNative } from "../native/call.ts";
import { RETRIEVAL_HEADS } from "../options/detecting.ts";
import { parseOptions, splitOptions } from "../options/parse.ts";
import type { Trial } from "../options/progress.ts";
import { valuesOf } from "../options/spec.ts";
import type { HaystackOptions } from "../options/types/detecting.ts";
import { type LoadOptions, parseLoadOptions } from "../options.ts";
import { type PromptPiece, wellFormed } from "../prompt/build.ts";
import { type PromptProfile, selectProfile } from "../prompt/profiles.ts";
import { tokenSpan } from "../prompt/spans.ts";
import { contextOptions } from "../reading/engine.ts";
import { counted } from "../util/counted.ts";
import { largestOf } from "../util/extremes.ts";
import { fieldsOf, isList } from "../util/kinds.ts";
import type { DetectedHeadSet } from "./format.ts";
import { assertLongEnough, HIDDEN_FACTS, type HiddenFact, hide, rouge1Recall } from "./hidden-fact.ts";
import { bestHeads } from "./objectives.ts";

/** Tokens that an answer may have, and the share of the needle's words that it must have to count: Wu et al.'s. */
const ANSWER_TOKENS = 50;
const MIN_RECALL = 0.5;
/** A mean over fewer trials says little: with one more, other heads are the best. */
const FEW_TRIALS = 10;
const DEFAULTS = valuesOf(RETRIEVAL_HEADS);

export type { Trial };

export type RetrievalHeadOptions = Pick<
  LoadOptions,
  | "model"
  | "prompt"
  | "contextSize"
  | "batchSize"
  | "threads"
  | "gpu"
  | "gpuLayers"
  | "cacheTypeK"
  | "cacheTypeV"
  | "flashAttention"
  | "mmap"
  | "libraryDirectory"
  | "signal"
  | "onProgress"
> &
  HaystackOptions;

export type RetrievalHeads = {
  /** Best first, with the mean score of every head. */
  set: DetectedHeadSet;
  /** What Wu et al. publish: `"layer-head"` to its score in every trial that counted. */
  trials: Record<string, number[]>;
  counted: number;
  total: number;
  /** Sentences to show: too few answers counted, or fewer heads than asked for scored anything. */
  warnings: string[];
};

/**
 * Finds the retrieval heads of Wu et al. (arXiv 2404.15574): those that look at the needle's token that the model is about to
 * write, while it answers from a haystack. A baseline for QRHead, and what its authors started from.
 *
 * A needle is hidden in a text at every length and depth, and the model answers greedily, up to a line break or 50 tokens.
 * While a token is written, a head whose largest attention is on a token of the needle that is the same one gets
 * 1 / (tokens of the needle). Answers with no more than half of the needle's words (recall of ROUGE-1) do not count. A head's
 * score is its mean over the trials that do; the authors call heads from 0.1 on retrieval heads.
 *
 * As published the prompt has no chat template; `prompt` adds one. With `withoutHeads` the model reads and answers without
 * these heads; `onTrial` tells what it then still finds, also where no trial counts.
 *
 * @throws InputError for wrong options or a text that is too short.
 * @throws QRHeadError `MODEL_UNSUPPORTED` when no trial counts, because the model does not answer from the text, or no head
 * reaches `threshold`.
 * @example
 * const { set } = await detectRetrievalHeads({ model: "model.gguf", text: "A long text. …" });
 */
export async function detectRetrievalHeads(options: RetrievalHeadOptions): Promise<RetrievalHeads> {
  const { load, text, facts, sourceName, onTrial, withoutHeads, ...grid } = parse(options);
  const model = await loadModel(load);
  let context: NativeContext | undefined;
  try {
    const { identity, info, library } = model;
    const { name, architecture, layers, heads, originalLayers } = identity;
    assertWhole(identity.fileName, layers, originalLayers);
    const without = withoutHeads === undefined ? [] : resolveHeads(withoutHeads, identity, readHeadFile).heads;
    const profile = selectProfile(load.prompt ?? "plain", {
      ...identity,
      bosText: info.bosText,
      eosText: info.eosText,
    });
    const haystack = await tokenizeText(model, text, load.signal);
    const room = largestOf(facts.map(({ needle, question }) => 200 + Buffer.byteLength(needle + question)));
    const limit = (load.contextSize ?? (info.trainContextSize || 4096)) - room;
    const longest = Math.min(grid.maxTokens, haystack.tokens.length, limit);
    assertLongEnough(longest, grid.minTokens, longest === limit ? "The context" : sourceName);
    context = await callNative(library.addon, load.signal, (cancellation) =>
      model.native.createContext(
        {
          ...contextOptions({ ...load, earlyStop: false }, everyHead(layers, heads), longest + room),
          withoutHeads: Int32Array.from(without.flat()),
        },
        cancellation,
      ),
    );

    const rows: Float64Array[] = [];
    const total = facts.length * grid.lengths * grid.depths;
    let done = 0;
    for (const [needle, fact] of facts.entries()) {
      for (const tokens of steps(grid.minTokens, longest, grid.lengths).map(Math.round)) {
        for (const depth of steps(0, 1, grid.depths)) {
          const { scores, answer } = await ask(model, context, profile, haystack, { fact, tokens, depth }, load.signal);
          const recall = rouge1Recall(fact.needle, answer);
          const counted = recall > MIN_RECALL;
          if (counted) rows.push(scores);
          done++;
          onTrial?.({ needle, tokens, depth, answer, recall, counted }, done, total);
        }
      }
    }
    if (rows.length === 0) {
      throw new QRHeadError(
        "MODEL_UNSUPPORTED",
        `${name} answered none of ${counted(total, "question")} from the text, so no head can be rated`,
        { advice: "use a model that answers questions, shorter haystacks, or detectHeads, which needs no answers" },
      );
    }
    const means = new Float64Array(layers * heads).map(
      (_, head) => rows.reduce((sum, row) => sum + row[head]!, 0) / rows.length,
    );
    const scoring = means.filter((mean) => mean > 0 && mean >= grid.threshold).length;
    if (scoring === 0) {
      const best = largestOf(means).toPrecision(2);
      throw new QRHeadError("MODEL_UNSUPPORTED", `No head of ${name} is a retrieval head: the best scored ${best}`, {
        advice: "use a smaller threshold, or detectHeads, which rates heads by the question's attention",
      });
    }
    const set: DetectedHeadSet = {
      format: "qrhead-heads",
      version: 1,
      model: { name, architecture, layers, heads, fingerprint: await fingerprint(model) },
      prompt: profile.name,
      objective: "retrieval-heads",
      seed: 0,
      source: {
        ...{ name: sourceName, examples: rows.length, trials: total, counted: rows.length },
        ...(without.length > 0 && { without: without.map(headKey) }),
      },
      heads: bestHeads(means, heads, Math.min(grid.top, scoring)),
      scores: Array.from({ length: layers }, (_, layer) => [...means.subarray(layer * heads, (layer + 1) * heads)]),
    };
    const keys = everyHead(layers, heads).map(headKey);
    const trials = Object.fromEntries(keys.map((key, head) => [key, rows.map((row) => row[head]!)]));
    const warnings = warningsOf({ counted: rows.length, total, scoring, ...grid });
    return { set, trials, counted: rows.length, total, warnings };
  } finally {
    await context?.dispose();
    await model.native.dispose();
  }
}

function warningsOf(found: {
  counted: number;
  total: number;
  scoring: number;
  top: number;
  threshold: number;
}): string[] {
  const { total, scoring, top, threshold } = found;
  const warnings: string[] = [];
  if (found.counted < FEW_TRIALS) {
    warnings.push(
      `Only ${found.counted} of ${counted(total, "answer")} had more than half of the needle and counted. With fewer than ${FEW_TRIALS}, ` +
        "chance decides which heads are best: use a model that answers better, more trials, or shorter haystacks",
    );
  }
  if (scoring < top) {
    const few = `${counted(scoring, "head")} scored`;
    warnings.push(`${few} ${threshold > 0 ? `${threshold} or more` : "anything"}, fewer than the ${top} requested`);
  }
  return warnings;
}

type Haystack = { bytes: Buffer; tokens: Int32Array; offsets: Uint32Array };

/** One trial: what each head gets, and what the model wrote. */
async function ask(
  { library: { addon }, native, identity }: LoadedModel,
  context: NativeContext,
  { prefix, suffix }: PromptProfile,
  haystack: Haystack,
  { fact, tokens, depth }: { fact: HiddenFact; tokens: number; depth: number },
  signal: AbortSignal | undefined,
): Promise<{ scores: Float64Array; answer: string }> {
  const hidden = hide(haystack, tokens, depth, fact.needle);
  const body = `${hidden.text}\nBased on the content of the book, Question: ${fact.question}\nAnswer:`;
  const pieces: PromptPiece[] = [
    { text: prefix, special: true },
    { text: body, special: false },
    { text: suffix, special: true },
  ].filter((piece) => piece.text !== "");
  const prompt = await callNative(addon, signal, () => native.tokenize(pieces));
  const shift = Buffer.byteLength(prefix);
  const [begin, end] = tokenSpan(prompt.offsets, [hidden.span[0] + shift, hidden.span[1] + shift]);
  const last = prompt.tokens.length - 1;
  const written = await callNative(addon, signal, async (cancellation) => {
    context.rollback(0);
    await context.prefill(prompt.tokens.slice(0, last), cancellation);
    return context.generate({ last: prompt.tokens[last]!, maxTokens: ANSWER_TOKENS }, cancellation);
  });
  const count = identity.layers * identity.heads;
  const scores = new Float64Array(count);
  for (const [step, token] of written.tokens.entries()) {
    for (let head = 0; head < count; head++) {
      const at = written.attended[step * count + head]!;
      if (at >= begin && at < end && prompt.tokens[at] === token) scores[head]! += 1 / (end - begin);
    }
  }
  return { scores, answer: new TextDecoder().decode(written.text).trim() };
}

async function tokenizeText(
  { library, native }: LoadedModel,
  text: string,
  signal: AbortSignal | undefined,
): Promise<Haystack> {
  const whole = wellFormed(text);
  const tokenized = await callNative(library.addon, signal, () => native.tokenize([{ text: whole, special: false }]));
  return { bytes: Buffer.from(whole, "utf8"), ...tokenized };
}

/** `count` numbers from `from` to `to`, evenly spaced; the middle for one. */
function steps(from: number, to: number, count: number): number[] {
  if (count === 1) return [(from + to) / 2];
  return Array.from({ length: count }, (_, i) => from + ((to - from) * i) / (count - 1));
}

function parse(options: RetrievalHeadOptions) {
  const [own, rest] = splitOptions(RETRIEVAL_HEADS, options);
  const parsed = parseOptions(RETRIEVAL_HEADS, own) as HaystackOptions;
  const { text, sourceName, facts = HIDDEN_FACTS, maxTokens = 5000, onTrial } = parsed;
  const { minTokens = DEFAULTS.minTokens, lengths = DEFAULTS.lengths, depths = DEFAULTS.depths } = parsed;
  const { top = DEFAULTS.top } = parsed;
  const { threshold = 0, withoutHeads } = parsed;
  const isFact = (fact: unknown): boolean => {
    const { needle, question } = fieldsOf<HiddenFact>(fact);
    return typeof needle === "string" && /\S/.test(needle) && typeof question === "string" && /\S/.test(question);
  };
  if (!isList(facts) || facts.length === 0 || !facts.every(isFact)) {
    throw invalidArgument("facts", "a list of { needle, question }", facts);
  }
  if (maxTokens < minTokens) throw invalidArgument("maxTokens", `an integer of at least ${minTokens}`, maxTokens);
  const load = parseLoadOptions(rest);
  return {
    load,
    text,
    facts,
    sourceName: sourceName ?? "The text",
    minTokens,
    maxTokens,
    lengths,
    depths,
    top,
    threshold,
    withoutHeads,
    onTrial,
  };
}
