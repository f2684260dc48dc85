import { InputError } from "../../errors.ts";
import { zod } from "../../util/zod.ts";
import type { Generator } from "./generator.ts";

/** Milliseconds that one answer may take. */
const PATIENCE = 300_000;

export function isRemote(spec: string): boolean {
  return /^https?:\/\//.test(spec);
}

/**
 * A model behind a server with OpenAI's chat completions, such as llama.cpp's, vLLM's or Ollama's. `OPENAI_API_KEY` is sent if
 * it is set.
 *
 * @param spec The address up to `/v1`, and after `#` the model's name where the server has several.
 * @throws InputError `INVALID_INPUT` if the server cannot be reached, refuses, or answers in another form.
 */
export async function openRemote(spec: string, signal?: AbortSignal): Promise<Generator> {
  const [address = "", model = "default"] = spec.split("#", 2);
  const url = `${address.replace(/\/$/, "")}/chat/completions`;
  const key = process.env.OPENAI_API_KEY;
  const headers = { "content-type": "application/json", ...(key && { authorization: `Bearer ${key}` }) };
  const z = zod();
  const completion = z.object({
    choices: z.array(z.object({ message: z.object({ content: z.string().nullish() }) })).min(1),
  });
  const answer: Generator["answer"] = async (prompt, maxTokens, stop) => {
    const messages = [{ role: "user", content: prompt }];
    const body = JSON.stringify({ model, messages, temperature: 0, max_tokens: maxTokens });
    const limit = AbortSignal.any([AbortSignal.timeout(PATIENCE), ...(stop ? [stop] : [])]);
    const failed = (why: string) => new InputError("INVALID_INPUT", `The server at ${url} ${why}`);
    const response = await fetch(url, { method: "POST", headers, body, signal: limit }).catch((error: Error) => {
      stop?.throwIfAborted();
      throw failed(`cannot be reached: ${(error.cause as Error | undefined)?.message ?? error.message}`);
    });
    const text = await response.text();
    if (!response.ok) throw failed(`answered ${response.status}: ${text.slice(0, 200)}`);
    const parsed = completion.safeParse(parse(text));
    if (!parsed.success) throw failed(`did not answer as chat completions do: ${text.slice(0, 200)}`);
    return parsed.data.choices[0]!.message.content?.trim() ?? "";
  };
  // Fails before the first question if the server cannot answer.
  await answer("Say yes.", 8, signal);
  return { answer, async [Symbol.asyncDispose]() {} };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
