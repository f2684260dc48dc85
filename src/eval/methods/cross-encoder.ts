import { openWithLlama, withTitle } from "./llama.ts";
import type { Method } from "./method.ts";

/** A GGUF that was trained to rerank, through node-llama-cpp's ranking context: one forward pass a document. */
export function crossEncoder(file: string, name: string, spec: string): Method {
  return {
    name,
    spec,
    seesOrder: false,
    async open(context) {
      const { model, made: ranking } = await openWithLlama(file, context, (loaded, threads) =>
        loaded.createRankingContext({ threads }),
      );
      return {
        async rank({ topic, documents, signal }) {
          const scores: number[] = [];
          let tokens = 0;
          for (const document of documents) {
            signal?.throwIfAborted();
            const text = withTitle(document);
            tokens += ranking.calculateInputLength(topic.query, text);
            scores.push(await ranking.rank(topic.query, text));
          }
          return { scores, tokens };
        },
        [Symbol.asyncDispose]: () => model.dispose(),
      };
    },
  };
}
