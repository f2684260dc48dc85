// The postprocessor with LlamaIndex.TS, in two versions of its core.
import type { BaseNodePostprocessor } from "@llamaindex/core/postprocessor";
import { MetadataMode, type NodeWithScore, TextNode } from "@llamaindex/core/schema";
import type { BaseNodePostprocessor as BaseNodePostprocessor5 } from "llamaindex-core-5/postprocessor";
import { TextNode as TextNode5 } from "llamaindex-core-5/schema";
import { beforeAll, describe, expect, it } from "vitest";
import { QRHeadPostprocessor } from "../../src/adapters/llamaindex.ts";
import type { QRRetriever } from "../../src/index.ts";
import { query, ranked, texts } from "../helpers/adapted.ts";

let retriever: QRRetriever;
let order: number[];
const made = ranked();
beforeAll(() => {
  ({ retriever, order } = made);
});

const nodes = (): NodeWithScore[] =>
  texts.map((text, page) => ({ node: new TextNode({ text, metadata: { page } }), score: 0.1 }));

describe("QRHeadPostprocessor", () => {
  it("sorts nodes, which stay as they are", async () => {
    const postprocessor: BaseNodePostprocessor = new QRHeadPostprocessor({ retriever, topN: 2 });
    const given = nodes();
    const ranked = await postprocessor.postprocessNodes(given, query);
    expect(ranked.map(({ node }) => node)).toEqual(order.slice(0, 2).map((index) => given[index]!.node));
    expect(ranked[0]!.node.getContent(MetadataMode.NONE)).toBe(texts[order[0]!]);
    const scores = ranked.map(({ score }) => score!);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
    for (const score of scores) expect(score > 0 && score < 1).toBe(true);
  });

  it("lets the nodes' own scores join the heads' on request", async () => {
    const given = texts.map((text, index) => ({
      node: new TextNode({ text }),
      score: index === order.at(-1) ? 100 : 1,
    }));
    const { results } = await retriever.rank(query, texts, { prior: given.map(({ score }) => score) });
    const fused = await new QRHeadPostprocessor({ retriever, fuseScores: true }).postprocessNodes(given, query);
    expect(fused.map(({ node }) => node)).toEqual(results.map(({ index }) => given[index]!.node));
    const without = [...given.slice(1), { node: given[0]!.node }];
    await expect(
      new QRHeadPostprocessor({ retriever, fuseScores: true }).postprocessNodes(without, query),
    ).rejects.toMatchObject({ code: "INVALID_ARGUMENT", option: "score" });
  });

  it("takes the nodes of the version before", async () => {
    const postprocessor: BaseNodePostprocessor5 = new QRHeadPostprocessor({ retriever });
    const ranked = await postprocessor.postprocessNodes(
      texts.map((text) => ({ node: new TextNode5({ text }) })),
      query,
    );
    expect(ranked.map(({ node }) => (node as TextNode5).text)).toEqual(order.map((index) => texts[index]));
  });

  it("reads no text from parts that have none", async () => {
    const given = nodes();
    expect(await new QRHeadPostprocessor({ retriever }).postprocessNodes(given, [null] as never)).toBe(given);
  });

  it("takes a message in parts, and leaves nodes alone without a question", async () => {
    const postprocessor = new QRHeadPostprocessor({ retriever });
    const [best] = await postprocessor.postprocessNodes(nodes(), [{ type: "text", text: query }]);
    expect(best!.node.getContent(MetadataMode.NONE)).toBe(texts[order[0]!]);
    const given = nodes();
    expect(await postprocessor.postprocessNodes(given)).toBe(given);
    expect(await postprocessor.postprocessNodes([], query)).toEqual([]);
  });
});
