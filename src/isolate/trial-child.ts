// The process in which a model is tried: see model/trial.ts.
import { isQRHeadError } from "../errors.ts";
import type { TrialAnswer, TrialRequest } from "../model/trial.ts";
import { QRRetriever } from "../retriever.ts";

/** Short: what matters is that every layer is computed once for documents, null query and query. */
const QUERY = "Which one is a river?";
const DOCUMENTS = ["The Nile flows north.", "Bread is baked."];

/** Without the parent nobody waits for the answer, and a loop inside llama.cpp would never end. */
process.once("disconnect", () => process.kill(process.pid, "SIGKILL"));

process.once("message", async (request: TrialRequest) => {
  const answer = await attempt(request);
  process.send?.(answer, () => process.disconnect());
});

async function attempt(request: TrialRequest): Promise<TrialAnswer> {
  try {
    // All heads, so that every layer is computed, and no template: it is a matter of the caller's own prompt.
    await using retriever = await QRRetriever.load({
      ...defined(request),
      heads: "all",
      prompt: "plain",
      earlyStop: false,
      checkTensors: true,
    });
    const { results } = await retriever.rank(QUERY, DOCUMENTS);
    if (results.some(({ score }) => score !== results[0]!.score)) return { ok: true };
    const message = `Could not load ${request.model}: it gives every document the same score (${results[0]!.score}), as weights of zeros do; fetch or convert the file again`;
    return { ok: false, code: "MODEL_LOAD_FAILED", message };
  } catch (error) {
    if (isQRHeadError(error)) return { ok: false, code: error.code, message: error.message };
    return { ok: false, code: "ENGINE_FAILED", message: error instanceof Error ? error.message : String(error) };
  }
}

function defined(request: TrialRequest): TrialRequest {
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
}
