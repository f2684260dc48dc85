import type { LanguageModelV3, LanguageModelV3GenerateResult } from "@ai-sdk/provider";
import type { ChatMessage, QRRetriever } from "qrhead";

/** A language model of the AI SDK that writes with the model that a retriever has loaded. It writes text and calls no tools. */
export function localModel(retriever: QRRetriever): LanguageModelV3 {
  return {
    specificationVersion: "v3",
    provider: "qrhead-example",
    modelId: retriever.model.name,
    supportedUrls: {},
    doGenerate: async ({ prompt, maxOutputTokens, abortSignal }): Promise<LanguageModelV3GenerateResult> => {
      const messages = prompt.flatMap(({ role, content }): ChatMessage[] => {
        if (role === "tool") return [];
        const text = typeof content === "string" ? content : content.map((part) => ("text" in part ? part.text : ""));
        return [{ role, content: [text].flat().join("") }];
      });
      let text = "";
      const stream = retriever.generate(messages, { maxTokens: maxOutputTokens, signal: abortSignal });
      let step = await stream.next();
      for (; !step.done; step = await stream.next()) text += step.value;
      const { usage, stopped } = step.value;
      return {
        content: [{ type: "text", text }],
        finishReason: { unified: stopped === "maxTokens" ? "length" : "stop", raw: stopped },
        usage: {
          inputTokens: { total: usage.promptTokens, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
          outputTokens: { total: usage.answerTokens, text: usage.answerTokens, reasoning: undefined },
        },
        warnings: [],
      };
    },
    doStream: () => Promise.reject(new Error("This example does not stream")),
  };
}
