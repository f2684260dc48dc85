import { type ContextOverflowError, InputError } from "../errors.ts";
import { everyHead } from "../heads/heads.ts";
import { fingerprint } from "../model/fingerprint.ts";
import { loadModel } from "../model/model.ts";
import { callNative } from "../native/call.ts";
import { DEFAULT_NULL_QUERY } from "../options.ts";
import type { PromptLayout } from "../prompt/layout.ts";
import { type PromptName, selectProfile } from "../prompt/profiles.ts";
import { layOutDocuments, layOutPrompt } from "../reading/documents.ts";
import type { Engine } from "../reading/engine.ts";
import { KvContext } from "../reading/kv-context.ts";
import { ListwiseLayout } from "../reading/listwise.ts";
import type { ModelIdentity } from "../types.ts";
import { type DetectionExample, goldIndexes } from "./examples.ts";
import type { ExampleScores } from "./objectives.ts";
import type { ParsedDetectOptions } from "./options.ts";

/** Of an example's prompt: its tokens, and the error where it does not fit. */
export type PromptSize = { tokens: number; overflow?: ContextOverflowError | undefined };

/** What scores every head of a model on examples: a loaded model, or something that asks one elsewhere. */
export interface ExampleScorer extends AsyncDisposable {
  readonly model: Pick<ModelIdentity, "name" | "architecture" | "layers" | "heads" | "slidingWindow">;
  /** The prompt profile in use. */
  readonly prompt: PromptName;
  /** Of the model's file; see `fingerprint`. */
  readonly fingerprint: string;
  /** Sizes of each example's prompt in turn, without reading it. */
  measure(examples: readonly DetectionExample[]): AsyncGenerator<PromptSize, void>;
  /** Scores of each example in turn. */
  score(examples: readonly DetectionExample[]): AsyncGenerator<ExampleScores, void>;
}

/**
 * Loads the model that scores.
 *
 * @throws InputError for a slim model. @throws QRHeadError what `QRRetriever.load` throws.
 */
export async function openScorer(options: ParsedDetectOptions): Promise<ExampleScorer> {
  const model = await loadModel(options.load);
  try {
    assertWhole(model.identity);
    const { info } = model;
    const { name, architecture, layers, heads, slidingWindow } = model.identity;
    const promptModel = { ...model.identity, bosText: info.bosText, eosText: info.eosText };
    const profile = selectProfile(options.load.prompt ?? "auto", promptModel);
    const engine = { model, heads: { heads: everyHead(layers, heads), name: "all" }, profile, options: options.load };
    const print = await fingerprint(model);
    const context = new KvContext(engine, new ListwiseLayout(engine));
    return {
      model: { name, architecture, layers, heads, ...(slidingWindow && { slidingWindow }) },
      prompt: profile.name,
      fingerprint: print,
      async *measure(examples) {
        for (const example of examples) {
          const prompt = await layOut(engine, context.layout, example, options);
          const tokens = prompt.trunk.tokens.length + prompt.query.length;
          yield { tokens, overflow: context.layout.overflow(prompt) };
        }
      },
      async *score(examples) {
        for (const example of examples) yield await scoreExample(engine, context, example, options);
      },
      async [Symbol.asyncDispose]() {
        await context.dispose();
        await model.native.dispose();
      },
    };
  } catch (error) {
    await model.native.dispose();
    throw error;
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

/** Ranking is calibrated, even if the objective is not. */
async function layOut(
  engine: Engine,
  layout: KvContext["layout"],
  { docs, query }: DetectionExample,
  { load: { maxDocumentTokens, signal }, nullQuery }: ParsedDetectOptions,
): Promise<PromptLayout> {
  const { trunk } = await layOutDocuments(engine, layout, docs, { order: "given", maxDocumentTokens, signal });
  return layOutPrompt(engine, trunk, query, nullQuery ?? DEFAULT_NULL_QUERY, signal);
}

async function scoreExample(
  engine: Engine,
  context: KvContext,
  example: DetectionExample,
  options: ParsedDetectOptions,
): Promise<ExampleScores> {
  const { signal, onProgress } = options.load;
  const { library } = engine.model;
  const prompt = await layOut(engine, context.layout, example, options);
  const observed = await context.observeOne(prompt, { rows: "heads" }, { signal, onProgress });
  const spans = Uint32Array.from(prompt.trunk.documentSpans.flat());
  const ranking = await callNative(library.addon, signal, () =>
    observed.query.documentScores({ baseline: observed.null, spans, mask: "per-head" }),
  );
  const raw = await callNative(library.addon, signal, () =>
    observed.query.documentScores({ baseline: null, spans, mask: "none" }),
  );
  const documents = example.docs.length;
  const masses = Float32Array.from({ length: raw.length / documents }, (_, head) =>
    raw.subarray(head * documents, (head + 1) * documents).reduce((sum, value) => sum + value, 0),
  );
  const scores = options.mask === "per-head" ? ranking : raw;
  return { scores, ranking, masses, documents, gold: goldIndexes(example) };
}
