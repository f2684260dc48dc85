// Calls the modules as users import them, and not as the files are called, and puts classes of errors behind the others.
import { Comment, Converter, ReflectionKind } from "typedoc";

const NAMES = {
  index: "qrhead",
  detect: "qrhead/detect",
  heads: "qrhead/heads",
  eval: "qrhead/eval",
  isolate: "qrhead/isolated",
  "adapters/ai-sdk": "qrhead/ai-sdk",
  "adapters/langchain": "qrhead/langchain",
  "adapters/llamaindex": "qrhead/llamaindex",
};

const SAYS = {
  qrhead: "Rank, prune, retrieve, ask, corpora, indexes, errors.",
  "qrhead/detect": "Find the heads of a model that retrieve.",
  "qrhead/heads": "Head sets: read, match, compare, write and draw them.",
  "qrhead/eval": "Measure how well methods retrieve and rerank, on labelled data.",
  "qrhead/isolated": "The retriever in a process of its own.",
  "qrhead/ai-sdk": "A reranking provider for the AI SDK.",
  "qrhead/langchain": "Document compressors for LangChain.",
  "qrhead/llamaindex": "A postprocessor for LlamaIndex.TS.",
};

/** What is read first stands first. */
const place = ({ name }) => (/Error$/.test(name) ? 1 : /Retriever$/.test(name) ? -1 : 0);

export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const module of project.getChildrenByKind(ReflectionKind.Module)) {
      module.name = NAMES[module.name] ?? module.name;
      module.comment = new Comment([{ kind: "text", text: SAYS[module.name] }]);
    }
  });
  // Behind TypeDoc's own grouping, which sorts by name.
  app.converter.on(
    Converter.EVENT_RESOLVE_END,
    ({ project }) => {
      for (const module of project.getChildrenByKind(ReflectionKind.Module))
        for (const group of module.groups ?? [])
          if (group.title === "Classes") group.children.sort((a, b) => place(a) - place(b));
    },
    -1000,
  );
}
