import { invalidArgument } from "../errors.ts";
import { assertList, assertObject } from "../util/given.ts";
import { fieldsOf } from "../util/kinds.ts";
import { assertTopN, Source, type SourceOptions } from "./source.ts";

export type { AdapterRetriever, SourceOptions } from "./source.ts";

/** What is read of a node of LlamaIndex. */
export type Node = { getContent(mode: never): string; metadata?: Record<string, unknown> };
export type NodeWithScore<N extends Node = Node> = { node: N; score?: number | undefined };
/** A question: a text, or the parts of a message. */
export type MessageContent = string | readonly { type: string; text?: string }[];

export type QRHeadPostprocessorOptions = SourceOptions & {
  /** Nodes to keep at most. Defaults to all. */
  topN?: number | undefined;
  /** Key of the metadata that has a node's title, which is read above its text. Defaults to none. */
  titleKey?: string | undefined;
  /** Let the scores that the nodes came with join the heads', as `prior` of `rank`. Defaults to `false`. */
  fuseScores?: boolean | undefined;
};

/**
 * A node postprocessor of LlamaIndex.TS that sorts by relevance. Nodes stay as they are, and get scores from 0 to 1,
 * the library's relevance by place (`relevanceByPlace`).
 *
 * @example
 * await using postprocessor = new QRHeadPostprocessor({ topN: 5 });
 * const best = await postprocessor.postprocessNodes([{ node: { getContent: () => "Ada wrote it." } }], "Who wrote it?");
 */
export class QRHeadPostprocessor implements AsyncDisposable {
  readonly topN: number | undefined;
  readonly #titleKey: string | undefined;
  readonly #fuseScores: boolean;
  readonly #source: Source;

  constructor(options: QRHeadPostprocessorOptions = {}) {
    assertObject(options, "options");
    const { topN, titleKey, fuseScores = false, ...source } = options;
    assertTopN(topN);
    this.topN = topN;
    this.#titleKey = titleKey;
    this.#fuseScores = fuseScores;
    this.#source = new Source(source, ["topN", "titleKey", "fuseScores"]);
  }

  /** The best nodes, best first; without a question, the nodes as they came. */
  async postprocessNodes<T extends NodeWithScore>(nodes: T[], query?: MessageContent): Promise<T[]> {
    const asked = textOfMessage(query);
    if (asked.trim() === "") return nodes;
    assertList(nodes, "nodes");
    const texts = Array.from(nodes, (given) => {
      const { node } = fieldsOf<T>(given);
      if (node === undefined || typeof fieldsOf<Node>(node).getContent !== "function")
        throw invalidArgument("nodes", "nodes with scores", given);
      const title = this.#titleKey === undefined ? undefined : node.metadata?.[this.#titleKey];
      // "NONE" is the text without the metadata.
      return { given, text: node.getContent("NONE" as never), ...(typeof title === "string" && { title }) };
    });
    const prior = this.#fuseScores ? nodes.map(scoreOf) : undefined;
    const ranked = await this.#source.rank(asked, texts, { topN: this.topN, prior });
    return ranked.map(({ document, relevance }) => ({ ...document.given, score: relevance }));
  }

  /** Frees the model, if it was loaded here. */
  dispose(): Promise<void> {
    return this.#source.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

/** @throws InputError `INVALID_ARGUMENT` for a node without. */
function scoreOf({ score }: NodeWithScore): number {
  if (!Number.isFinite(score)) throw invalidArgument("score", "a finite number of every node", score);
  return score as number;
}

function textOfMessage(content: MessageContent | undefined): string {
  if (content === undefined || typeof content === "string") return content ?? "";
  assertList(content, "query", "a text, or parts of a message");
  const parts = Array.from(content, (part) => fieldsOf<{ type: unknown; text: unknown }>(part));
  return parts.flatMap(({ type, text }) => (type === "text" && typeof text === "string" ? [text] : [])).join("\n");
}
