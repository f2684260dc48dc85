import { ContextOverflowError, InputError, QRHeadError } from "../errors.ts";
import type { HeadSet } from "../heads/head-set.ts";
import { everyHead, seededRandom } from "../heads/heads.ts";
import { type LoadedModel, loadModel } from "../model.ts";
import { callNative } from "../native/call.ts";
import { selectProfile } from "../prompt/profiles.ts";
import { Session } from "../session.ts";
import type { ModelIdentity } from "../types.ts";
import type { DetectionExample } from "./examples.ts";
import { fingerprint } from "./fingerprint.ts";
import { bestHeads, type ExampleScores, tallyHeads } from "./objectives.ts";
import { type DetectOptions, type ExampleProgress, type ParsedDetectOptions, parseDetectOptions } from "./options.ts";

/** A head set that `detectHeads` found: it says where it comes from. */
export type DetectedHeadSet = HeadSet & Required<Pick<HeadSet, "model" | "prompt" | "objective" | "source" | "scores">>;

/**
 * Finds the heads of a model that retrieve: rates every head by how it attends to the documents that answer, averaged over
 * labelled examples. *Query-Focused Retrieval Heads* (EMNLP 2025), section 3.1, as its published code does it, or CoRe
 * (arXiv 2510.02219); see `tallyHeads` for the equations.
 *
 * Each example is read once, for all heads. Attention of all heads is held meanwhile: `layers × heads × tokens × 8` bytes.
 * A document is its whole span of the prompt, number and title included. `nullQuery` is absent where nothing was calibrated.
 *
 * @returns The set that `heads` of `QRRetriever.load` takes, the same one for the same options on the same machine.
 * @throws InputError for wrong options or examples, and for a slim model.
 * @throws ContextOverflowError for an example that does not fit, before any is scored.
 * @throws QRHeadError what `QRRetriever.load` and `rank` throw.
 */
export async function detectHeads(options: DetectOptions): Promise<DetectedHeadSet> {
  const parsed = parseDetectOptions(options);
  const examples = choose(parsed);
  const model = await loadModel(parsed.load);
  let session: Session | undefined;
  try {
    const { identity, info } = model;
    assertWhole(identity);
    const { name, architecture, layers, heads } = identity;
    const promptModel = { ...identity, bosText: info.bosText, eosText: info.eosText };
    const profile = selectProfile(parsed.load.prompt ?? "auto", promptModel);
    session = new Session(model, everyHead(layers, heads), profile, parsed.load);

    const print = await fingerprint(model);
    const means = await scoreExamples(model, session, examples, parsed);
    return {
      format: "qrhead-heads",
      version: 1,
      model: { name, architecture, layers, heads, fingerprint: print },
      prompt: profile.name,
      ...(parsed.nullQuery !== null && { nullQuery: parsed.nullQuery }),
      objective: parsed.name,
      source: { name: parsed.sourceName, examples: examples.length },
      heads: bestHeads(means, heads, parsed.top),
      scores: Array.from({ length: layers }, (_, layer) => [...means.subarray(layer * heads, (layer + 1) * heads)]),
    };
  } finally {
    await session?.dispose();
    await model.native.dispose();
  }
}

/** The examples to use, in the order to use them. */
function choose({ examples, shuffle, limit }: ParsedDetectOptions): DetectionExample[] {
  const order = [...examples];
  if (shuffle !== undefined) {
    const random = seededRandom(shuffle);
    for (let i = order.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
  }
  return order.slice(0, limit);
}

function assertWhole({ fileName, layers, originalLayers }: ModelIdentity): void {
  if (layers === originalLayers) return;
  throw new InputError(
    "INVALID_INPUT",
    `Model ${fileName} was slimmed to layers 0 to ${layers - 1} of ${originalLayers}, and the best heads may be in those ` +
      "that it lacks: find heads with the whole model",
  );
}

/** Every head's mean over the examples. */
async function scoreExamples(
  model: LoadedModel,
  session: Session,
  examples: readonly DetectionExample[],
  { load, objective, nullQuery, mask, temperature, onExample }: ParsedDetectOptions,
): Promise<Float64Array> {
  const { signal, onProgress } = load;
  const layOut = async ({ docs, query }: DetectionExample) => {
    const shortened = await session.truncate(docs, load.maxDocumentTokens, signal);
    return session.layOut(shortened, query, nullQuery, signal);
  };
  const score = async (example: DetectionExample): Promise<ExampleScores> => {
    const layout = await layOut(example);
    const observed = await session.observe(layout, true, { signal, onProgress });
    const spans = Uint32Array.from(layout.documentSpans.flat());
    const scores = await callNative(model.library.addon, signal, () =>
      observed.query.documentScores({ baseline: observed.null, spans, mask }),
    );
    const gold = example.gold.map((id) => example.docs.findIndex((document) => document.id === id));
    return { scores, documents: example.docs.length, gold };
  };
  const forEach = async (phase: ExampleProgress["phase"], work: (example: DetectionExample) => Promise<void>) => {
    for (const [index, example] of examples.entries()) {
      signal?.throwIfAborted();
      await work(example).catch((error: unknown) => {
        throw located(error, example);
      });
      onExample?.({ phase, done: index + 1, total: examples.length, id: example.id });
    }
  };

  // Hours of work should not end with an example that could have been seen not to fit.
  await forEach("check", async (example) => session.assertFits(await layOut(example)));
  const tally = tallyHeads(model.identity.layers * model.identity.heads, objective, temperature);
  await forEach("score", async (example) => tally.add(await score(example)));
  return tally.means();
}

/** The error with the example that it is about. */
function located(error: unknown, { position, id }: DetectionExample): unknown {
  const where = `${position} (id ${JSON.stringify(id)})`;
  if (error instanceof ContextOverflowError) {
    return new ContextOverflowError(error.promptTokens, error.contextSize, `The prompt of ${where}`);
  }
  if (!(error instanceof QRHeadError) || error instanceof InputError) return error;
  return new QRHeadError(error.code, `${where}: ${error.message}`, { cause: error });
}
