import { SEPARATOR } from "../../pruning/fit.ts";
import { QRRetriever } from "../../retriever.ts";
import type { RankDocument } from "../../types.ts";
import type { MethodContext } from "../methods/method.ts";

/** Shortens documents to a percentage of their texts' tokens, by what a question attends to. */
export interface Shortener extends AsyncDisposable {
  /** Documents of which something stays, with their titles. */
  shorten(question: string, documents: readonly RankDocument[], percent: number): Promise<RankDocument[]>;
}

/**
 * @param model What prunes: a name or a file, as `QRRetriever.load` takes it.
 * @throws What `QRRetriever.load` throws.
 */
export async function openShortener(model: string | undefined, { load, signal }: MethodContext): Promise<Shortener> {
  const retriever = await QRRetriever.load({ ...load, model, signal });
  return {
    async shorten(question, documents, percent) {
      const all = documents.map(({ text }) => text).join(SEPARATOR);
      const { tokens } = await retriever.tokenize(all, { signal });
      const budgetTokens = Math.max(1, Math.round((tokens.length * percent) / 100));
      const pruned = await retriever.prune(question, documents, { budgetTokens, signal });
      const texts = new Map(pruned.documents.map(({ index, text }) => [index, text]));
      return documents.flatMap((document, index) => {
        const text = texts.get(index);
        return text ? [{ ...document, text }] : [];
      });
    },
    [Symbol.asyncDispose]: () => retriever.dispose(),
  };
}
