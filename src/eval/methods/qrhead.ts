import { QRRetriever } from "../../retriever.ts";
import type { Method } from "./method.ts";

/** QRRetriever with the heads that `heads` names, else those of the load options. All heads are ICR (arXiv 2410.02642). */
export function qrhead(heads: string | undefined, name: string, spec: string): Method {
  return {
    name,
    spec,
    seesOrder: true,
    async open({ load, signal, retriever: open = (options) => QRRetriever.load(options) }) {
      const retriever = await open({ ...load, ...(heads !== undefined && { heads }), signal });
      return {
        async rank({ topic, documents, signal: stop }) {
          const { results, usage, warnings } = await retriever.rank(topic.query, documents, { signal: stop });
          const scores = new Array<number>(documents.length);
          for (const { index, score } of results) scores[index] = score;
          // Documents that were still in the cache count as read: the figure is about the query, not about luck.
          const tokens = usage.promptTokens + usage.queryTokens;
          return { scores, tokens, ...(warnings.length > 0 && { warnings }) };
        },
        [Symbol.asyncDispose]: () => retriever.dispose(),
      };
    },
  };
}
