import { ContextOverflowError, InputError, isQRHeadError, QRHeadError, type QRHeadErrorCode } from "../errors.ts";

/** Codes of failures that another worker or a later try may not have. Such jobs are tried again. */
const PASSING: ReadonlySet<string> = new Set(["ENGINE_DIED", "ENGINE_FAILED", "CONTEXT_FAILED", "QUEUE_FAILED"]);

type Written = {
  name: string;
  code: string;
  message: string;
  promptTokens?: number;
  contextSize?: number;
};

/** Whether another try may succeed. A mistake in the call fails everywhere. */
export function mayPass(error: unknown): boolean {
  return !isQRHeadError(error) || PASSING.has(error.code);
}

/** An error as the text that Redis keeps of a failed job. */
export function writeError(error: unknown): string {
  if (!isQRHeadError(error)) {
    const message = error instanceof Error ? error.message : String(error);
    return JSON.stringify({ name: "QRHeadError", code: "ENGINE_FAILED", message } satisfies Written);
  }
  const { name, code, message } = error;
  const overflow = error instanceof ContextOverflowError && {
    ...{ promptTokens: error.promptTokens, contextSize: error.contextSize },
  };
  return JSON.stringify({ name, code, message, ...overflow } satisfies Written);
}

/** The error of a failed job. BullMQ writes a plain sentence for a job whose workers died too often. */
export function readError(text: string): QRHeadError {
  let written: Partial<Written> = {};
  try {
    written = JSON.parse(text);
  } catch {
    // A sentence of BullMQ's.
  }
  const { name, code = "QUEUE_FAILED", message = text, promptTokens, contextSize } = written;
  if (promptTokens !== undefined && contextSize !== undefined)
    return new ContextOverflowError(promptTokens, contextSize);
  const Class = name === "InputError" ? InputError : QRHeadError;
  const said = /stalled more than/.test(message)
    ? "The workers that had the job disappeared before it was done"
    : message;
  return new Class(code as QRHeadErrorCode, said);
}
