// A LlamaIndex.TS retriever, and qrhead as the postprocessor of its nodes.
import { BaseRetriever } from "@llamaindex/core/retriever";
import { MetadataMode, type NodeWithScore, TextNode } from "@llamaindex/core/schema";
import { QRHeadPostprocessor } from "qrhead/llamaindex";

/** Stands for your index: gives every node with the same score. */
class Shelf extends BaseRetriever {
  // biome-ignore lint/complexity/noUselessConstructor: that of the base class is protected.
  constructor() {
    super();
  }

  override async _retrieve(): Promise<NodeWithScore[]> {
    return [
      "The library opens at ten on Saturdays.",
      "The swimming pool is closed in August.",
      "The post office moved to Mill Street.",
      "Parking behind the town hall is free after six.",
    ].map((text) => ({ node: new TextNode({ text }), score: 1 }));
  }
}

const query = process.argv[2] ?? "When does the library open?";
const postprocessor = new QRHeadPostprocessor({ model: process.env.QRHEAD_MODEL, topN: 2 });
try {
  const nodes = await new Shelf().retrieve({ query });
  const best: NodeWithScore[] = await postprocessor.postprocessNodes(nodes, query);
  for (const { node, score } of best) console.log(`${score?.toFixed(2)}  ${node.getContent(MetadataMode.NONE)}`);
} finally {
  await postprocessor.dispose();
}
