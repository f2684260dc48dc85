import { openWithLlama, withTitle } from "./llama.ts";
import type { Method } from "./method.ts";

/**
 * A GGUF that was trained to rerank, through node-llama-cpp's ranking context: one forward pass a document, whose end is
 * cut where both do not fit its context, as cross-encoders are commonly used.
 */
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
          let [tokens, cut] = [0, 0];
          for (const document of documents) {
            signal?.throwIfAborted();
            let text = model.tokenize(withTitle(document), false, "trimLeadingSpace");
            // One token of the context stays free.
            const excess = ranking.calculateInputLength(topic.query, text) - (ranking.contextSize - 1);
            if (excess > 0 && excess < text.length) {
              text = text.slice(0, -excess);
              cut++;
            }
            tokens += ranking.calculateInputLength(topic.query, text);
            scores.push(await ranking.rank(topic.query, text));
          }
          return { scores, tokens, ...(cut > 0 && { cut }) };
        },
        [Symbol.asyncDispose]: () => model.dispose(),
      };
    },
  };
}
