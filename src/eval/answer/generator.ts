import { findWriter } from "../../model/writes.ts";
import type { RankDocument } from "../../types.ts";
import { assertFits, loadFailure, loadWithLlama, withTitle } from "../methods/llama.ts";
import type { MethodContext } from "../methods/method.ts";

export interface Generator extends AsyncDisposable {
  /** The model's answer to one message, at temperature 0. */
  answer(prompt: string, maxTokens: number, signal?: AbortSignal): Promise<string>;
}

/** @throws InputError for a file that is missing or slim; QRHeadError `MODEL_LOAD_FAILED`, `MODEL_UNSUPPORTED`. */
export async function openGenerator(file: string | undefined, context: MethodContext): Promise<Generator> {
  const { model, threads } = await loadWithLlama(await findWriter(file, { signal: context.signal }), context);
  try {
    const { LlamaChat } = await import("node-llama-cpp");
    const session = await model.createContext({ threads, contextSize: context.load.contextSize ?? "auto" });
    const contextSequence = session.getSequence();
    const chat = new LlamaChat({ contextSequence, autoDisposeSequence: false });
    return {
      async answer(prompt, maxTokens, signal) {
        const user = { type: "user" as const, text: prompt };
        assertFits(chat, [user], maxTokens, "show fewer documents, or pass a larger --context-size");
        await contextSequence.clearHistory();
        const { response } = await chat.generateResponse([user], {
          temperature: 0,
          maxTokens,
          ...(signal && { signal }),
        });
        return response.trim();
      },
      [Symbol.asyncDispose]: () => model.dispose(),
    };
  } catch (error) {
    await model.dispose();
    throw loadFailure(file ?? "the built-in model", error);
  }
}

/** Asks for a short answer from the documents. */
export function questionPrompt(documents: readonly RankDocument[], question: string): string {
  return `${shown(documents)}\n\nAnswer the question from the text above, in as few words as possible.\n\nQuestion: ${question}\nAnswer:`;
}

/** Asks whether a claim holds in the documents. */
export function claimPrompt(documents: readonly RankDocument[], claim: string): string {
  return `${shown(documents)}\n\nIs the following claim true or false, judged by the text above alone? Answer with one word.\n\nClaim: ${claim}\nAnswer:`;
}

function shown(documents: readonly RankDocument[]): string {
  return documents.map(withTitle).join("\n\n");
}
