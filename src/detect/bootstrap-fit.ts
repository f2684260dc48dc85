import { everyHead } from "../heads/heads.ts";
import { loadModel } from "../model/model.ts";
import { DEFAULT_NULL_QUERY, type LoadOptions } from "../options.ts";
import { tokensNeeded } from "../prompt/layout.ts";
import { selectProfile } from "../prompt/profiles.ts";
import { layOutDocuments, layOutPrompt } from "../reading/documents.ts";
import type { Engine } from "../reading/engine.ts";
import { ListwiseLayout } from "../reading/listwise.ts";
import { BOOTSTRAP_DOCUMENTS, type BootstrapOptions, bootstrapExamples, MIN_DOCUMENTS } from "./bootstrap.ts";
import { type DetectionExampleInput, normalizeExamples } from "./examples.ts";

/**
 * Bootstrap examples with as many documents as the model's context holds, at most 20: the tokens of a passage depend on the
 * language and on the vocabulary. Examples of the fewest documents, 4, may still be too long.
 *
 * @param load As detection loads the model. It is loaded here to tokenize only, so nothing goes to a GPU.
 * @throws What `bootstrapExamples` and `QRRetriever.load` throw.
 */
export async function fittingExamples(
  texts: readonly string[],
  options: Omit<BootstrapOptions, "documents">,
  load: LoadOptions,
): Promise<{ examples: DetectionExampleInput[]; documents: number }> {
  const make = (documents: number) => bootstrapExamples(texts, { ...options, documents });
  let examples = make(BOOTSTRAP_DOCUMENTS);
  const model = await loadModel({ ...load, gpuLayers: 0 });
  try {
    const { identity, info } = model;
    const names = { ...identity, bosText: info.bosText, eosText: info.eosText };
    const profile = selectProfile(load.prompt ?? "auto", names);
    const engine = {
      model,
      heads: { heads: everyHead(identity.layers, identity.heads), name: "all" },
      profile,
      options: load,
    };
    const layout = new ListwiseLayout(engine);
    for (;;) {
      const documents = examples[0]!.docs!.length;
      const longest = await longestPrompt(engine, layout, examples);
      if (longest <= layout.limit || documents <= MIN_DOCUMENTS) return { examples, documents };
      const share = Math.floor((documents * layout.limit) / longest);
      examples = make(Math.max(MIN_DOCUMENTS, Math.min(documents - 1, share)));
    }
  } finally {
    await model.native.dispose();
  }
}

/** Tokens of the longest prompt, the null query's included; of the first that does not fit where there is one. */
async function longestPrompt(
  engine: Engine,
  layout: ListwiseLayout,
  examples: readonly DetectionExampleInput[],
): Promise<number> {
  const { maxDocumentTokens, nullQuery = DEFAULT_NULL_QUERY, signal } = engine.options;
  let longest = 0;
  for (const { docs, query } of normalizeExamples(examples)) {
    signal?.throwIfAborted();
    const { trunk } = await layOutDocuments(engine, layout, docs, { order: "given", maxDocumentTokens, signal });
    longest = Math.max(longest, tokensNeeded(await layOutPrompt(engine, trunk, query, nullQuery, signal)));
    if (longest > layout.limit) break;
  }
  return longest;
}
