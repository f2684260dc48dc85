// Calls the modules as users import them, and not as the files are called.
import { Converter, ReflectionKind } from "typedoc";

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

export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const module of project.getChildrenByKind(ReflectionKind.Module))
      module.name = NAMES[module.name] ?? module.name;
  });
}
