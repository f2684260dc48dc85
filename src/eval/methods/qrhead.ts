import { QRRetriever } from "../../retriever.ts";
import type { Method } from "./method.ts";

/**
 * QRRetriever with the heads that `heads` names, else those of the load options. All heads are ICR (arXiv 2410.02642).
 *
 * @param fuse Absent for what `rank` does by default, which may be to join BM25 over the candidates.
 */
export function qrhead(heads: string | undefined, name: string, spec: string, fuse?: "none"): Method {
  return {
    name,
    spec,
    seesOrder: true,
    async open({ load, signal, retriever: open = (options) => QRRetriever.load(options) }) {
      const retriever = await open({ ...load, ...(heads !== undefined && { heads }), signal });
      return {
        async rank({ topic, documents, signal: stop }) {
          const ranked = await retriever.rank(topic.query, documents, { signal: stop, fuse });
          const { results, usage, warnings, fusion } = ranked;
          const scores = new Array<number>(documents.length);
          const attention = new Array<number>(documents.length);
          for (const one of results) {
            scores[one.index] = one.score;
            attention[one.index] = one.attention ?? one.score;
          }
          // Documents in the cache count as read, so that the figure does not depend on earlier queries.
          const tokens = usage.promptTokens + usage.queryTokens;
          return { scores, tokens, ...(fusion && { attention }), ...(warnings.length > 0 && { warnings }) };
        },
        [Symbol.asyncDispose]: () => retriever.dispose(),
      };
    },
  };
}
