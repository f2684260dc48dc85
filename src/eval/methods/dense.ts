import type { LlamaEmbeddingContext, Token } from "node-llama-cpp";
import { openWithLlama, withTitle } from "./llama.ts";
import type { Method } from "./method.ts";

/** Vectors of documents kept for the next query, which often has the same candidates. */
const KEPT = 20_000;

/**
 * Dense retrieval over the candidates: cosine similarity of the query's and a document's vector. `dense:MODEL` takes the
 * texts as they are, cut at the end where they do not fit the model's context; models that want a prefix are given theirs by `dense:MODEL|QUERY PREFIX|DOCUMENT PREFIX`.
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
      const kept = new Map<string, { vector: readonly number[]; isCut: boolean }>();
      return {
        async rank({ topic, documents, signal }) {
          const query = (await embedder.getEmbeddingFor(queryPrefix + topic.query)).vector;
          let [tokens, cut] = [model.tokenize(topic.query).length, 0];
          const scores: number[] = [];
          for (const document of documents) {
            signal?.throwIfAborted();
            const text = documentPrefix + withTitle(document);
            let found = kept.get(text);
            if (!found) {
              const { input, isCut } = cutToFit(embedder, text);
              tokens += input.length;
              found = { vector: (await embedder.getEmbeddingFor(input)).vector, isCut };
              if (kept.size >= KEPT) kept.clear();
              kept.set(text, found);
            }
            if (found.isCut) cut++;
            scores.push(cosine(query, found.vector));
          }
          return { scores, tokens, ...(cut > 0 && { cut }) };
        },
        [Symbol.asyncDispose]: () => model.dispose(),
      };
    },
  };
}

/** The tokens of a text, cut at the end to what the context of the model holds. */
function cutToFit(embedder: LlamaEmbeddingContext, text: string): { input: Token[]; isCut: boolean } {
  const { model } = embedder;
  const input = model.tokenize(text);
  // One token of the context stays free.
  const excess = embedder.calculateInputLength(input) - (model.trainContextSize - 1);
  const isCut = excess > 0 && excess < input.length;
  return { input: isCut ? input.slice(0, -excess) : input, isCut };
}

/** Cosine of the angle between two vectors; −1, the least, if one of them is all zeros. */
function cosine(a: readonly number[], b: readonly number[]): number {
  let [product, squaresA, squaresB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += a[i]! * b[i]!;
    squaresA += a[i]! ** 2;
    squaresB += b[i]! ** 2;
  }
  return squaresA > 0 && squaresB > 0 ? product / Math.sqrt(squaresA * squaresB) : -1;
}
