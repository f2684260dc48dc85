import { openWithLlama, withTitle } from "./llama.ts";
import type { Method } from "./method.ts";

/** Vectors of documents kept for the next query, which often has the same candidates. */
const KEPT = 20_000;

/**
 * Dense retrieval over the candidates: cosine similarity of the query's and a document's vector. `dense:MODEL` takes the
 * texts as they are; models that want a prefix are given theirs by `dense:MODEL|QUERY PREFIX|DOCUMENT PREFIX`.
 */
export function dense(argument: string, name: string, spec: string): Method {
  const [file, queryPrefix = "", documentPrefix = ""] = argument.split("|");
  return {
    name,
    spec,
    seesOrder: false,
    async open(context) {
      const { model, made: embedder } = await openWithLlama(file, context, (loaded, threads) =>
        loaded.createEmbeddingContext({ threads }),
      );
      const kept = new Map<string, readonly number[]>();
      return {
        async rank({ topic, documents, signal }) {
          const query = (await embedder.getEmbeddingFor(queryPrefix + topic.query)).vector;
          let tokens = model.tokenize(topic.query).length;
          const scores: number[] = [];
          for (const document of documents) {
            signal?.throwIfAborted();
            const text = documentPrefix + withTitle(document);
            let vector = kept.get(text);
            if (!vector) {
              tokens += model.tokenize(text).length;
              vector = (await embedder.getEmbeddingFor(text)).vector;
              if (kept.size >= KEPT) kept.clear();
              kept.set(text, vector);
            }
            scores.push(cosine(query, vector));
          }
          return { scores, tokens };
        },
        [Symbol.asyncDispose]: () => model.dispose(),
      };
    },
  };
}

export function cosine(a: readonly number[], b: readonly number[]): number {
  let [product, squaresA, squaresB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += a[i]! * b[i]!;
    squaresA += a[i]! ** 2;
    squaresB += b[i]! ** 2;
  }
  return product / Math.sqrt(squaresA * squaresB);
}
