// A LangChain retriever that finds too much, and qrhead as its compressor: the best documents, and of them what matters.
import { ContextualCompressionRetriever } from "@langchain/classic/retrievers/contextual_compression";
import { DocumentCompressorPipeline } from "@langchain/classic/retrievers/document_compressors";
import { Document } from "@langchain/core/documents";
import { BaseRetriever } from "@langchain/core/retrievers";
import { QRRetriever } from "qrhead";
import { QRHeadPruner, QRHeadRerank } from "qrhead/langchain";

/** Stands for your vector store: gives all it has. */
class Shelf extends BaseRetriever {
  lc_namespace = ["example"];
  override async _getRelevantDocuments(): Promise<Document[]> {
    return [
      ["bread", "Mix flour, water and salt. Let the dough rest for a night. Bake it for forty minutes at 230 degrees."],
      [
        "tea",
        "Green tea wants water of seventy degrees. Black tea wants boiling water. Let it draw for three minutes.",
      ],
      ["soup", "Cut carrots and leeks. Cook them for half an hour. Add salt at the end."],
    ].map(([id = "", pageContent = ""]) => new Document({ id, pageContent, metadata: { recipe: id } }));
  }
}

const question = process.argv[2] ?? "How hot must the water be for green tea?";
const retriever = await QRRetriever.load({ model: process.env.QRHEAD_MODEL });

const baseCompressor = new DocumentCompressorPipeline({
  transformers: [
    new QRHeadRerank({ retriever, topN: 1 }),
    new QRHeadPruner({ retriever, prune: { topK: 1, marker: "" } }),
  ],
});
const compression = new ContextualCompressionRetriever({ baseCompressor, baseRetriever: new Shelf() });

for (const { metadata, pageContent } of await compression.invoke(question)) {
  console.log(`${metadata.recipe}: ${pageContent.trim()}`);
}
await retriever.dispose();
