import { loadModel } from "../../model/model.ts";
import { findWriter } from "../../model/writes.ts";
import { callNative } from "../../native/call.ts";
import type { RankDocument } from "../../types.ts";
import type { GenerateOptions } from "../../writing/options.ts";
import { TextWriter } from "../../writing/writer.ts";
import { withTitle } from "../methods/llama.ts";
import type { MethodContext } from "../methods/method.ts";

export interface Generator extends AsyncDisposable {
  /** The model's answer to one message, decoded greedily. */
  answer(prompt: string, maxTokens: number, signal?: AbortSignal): Promise<string>;
}

/**
 * A model that answers: in its chat template, or after the plain text and up to a line break where it has none.
 *
 * @param withoutHeads Heads that the model reads and answers without.
 * @throws InputError for a file that is missing or slim, and for heads that the model lacks; QRHeadError
 * `MODEL_LOAD_FAILED`, `MODEL_UNSUPPORTED`, `CHAT_TEMPLATE`.
 */
export async function openGenerator(
  file: string | undefined,
  { load, signal }: MethodContext,
  withoutHeads?: GenerateOptions["withoutHeads"],
): Promise<Generator> {
  const found = await findWriter(file, { signal });
  const model = await loadModel({ ...load, model: found, generates: true, signal });
  const writer = new TextWriter(model, load);
  const close = async () => {
    await writer.dispose();
    await model.native.dispose();
  };
  const isChat = Boolean(model.identity.chatTemplate?.trim());
  const tokensOf = async (prompt: string, stop?: AbortSignal): Promise<Int32Array> => {
    if (isChat) return writer.tokensOf([{ role: "user", content: prompt }], stop);
    const pieces = [{ text: prompt, special: false }];
    const tokenized = await callNative(model.library.addon, stop, (flag) => model.native.tokenize(pieces, flag));
    return tokenized.tokens;
  };
  const answer: Generator["answer"] = async (prompt, maxTokens, stop) => {
    const tokens = await tokensOf(prompt, stop);
    const options = { maxTokens, contextSize: load.contextSize, withoutHeads, signal: stop };
    let text = "";
    await writer.writeBehind(tokens, { ...options, ...(!isChat && { stop: "\n" }) }, (piece) => {
      text += piece;
    });
    return text.trim();
  };
  try {
    // Fails before the first question if the model cannot answer.
    await answer("Say yes.", 1, signal);
    return { answer, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
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

/** Asks a judge whether an answer says what the expected one says. */
export function judgePrompt(question: string, expected: string, given: string): string {
  return `Question: ${question}\nRight answer: ${expected}\nGiven answer: ${given}\n\nDoes the given answer say the same as the right answer? Reply with yes or no.\nReply:`;
}

function shown(documents: readonly RankDocument[]): string {
  return documents.map(withTitle).join("\n\n");
}
