/** Every failure that qrhead reports has one of these codes; they are stable across releases. */
export type QRHeadErrorCode =
  | "INVALID_ARGUMENT"
  | "INVALID_INPUT"
  | "LIBRARY_NOT_FOUND"
  | "LIBRARY_MISMATCH"
  | "MODEL_LOAD_FAILED"
  | "MODEL_UNSUPPORTED"
  | "CONTEXT_FAILED"
  | "CONTEXT_OVERFLOW"
  | "TOKENIZER_UNSUPPORTED"
  | "CHAT_TEMPLATE"
  | "HEADS_UNKNOWN"
  | "HEADS_MISMATCH"
  | "HEADS_INVALID"
  | "CORPUS_INVALID"
  | "CORPUS_MISMATCH"
  | "ATTENTION_INVALID"
  | "ENGINE_FAILED"
  | "DISPOSED"
  | "BUSY";

/**
 * Base of every error that qrhead throws on purpose.
 *
 * An aborted call is the exception: it rejects with the `reason` of the caller's own `AbortSignal`.
 */
export class QRHeadError extends Error {
  override name = "QRHeadError";
  readonly code: QRHeadErrorCode;

  constructor(code: QRHeadErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A wrong argument or a wrong input file: the caller can mend it. The command line exits with 2. */
export class InputError extends QRHeadError {
  override name = "InputError" as const;
  constructor(
    code: Extract<
      QRHeadErrorCode,
      | "INVALID_ARGUMENT"
      | "INVALID_INPUT"
      | "HEADS_UNKNOWN"
      | "HEADS_MISMATCH"
      | "HEADS_INVALID"
      | "CORPUS_INVALID"
      | "CORPUS_MISMATCH"
    >,
    message: string,
    options?: ErrorOptions,
  ) {
    super(code, message, options);
  }
}

/** The prompt needs more tokens than the context holds. */
export class ContextOverflowError extends QRHeadError {
  override name = "ContextOverflowError" as const;
  /** Tokens that the prompt needs, the longer of query and null query included. */
  readonly promptTokens: number;
  /** Tokens that the context holds. */
  readonly contextSize: number;

  constructor(promptTokens: number, contextSize: number, subject = "The prompt") {
    super(
      "CONTEXT_OVERFLOW",
      `${subject} has ${promptTokens} tokens but the context holds ${contextSize}: ` +
        `use a context size of at least ${promptTokens} (--context-size), pass fewer documents, ` +
        "or cut long ones (--max-document-tokens)",
    );
    this.promptTokens = promptTokens;
    this.contextSize = contextSize;
  }
}

/** True for errors made by qrhead, also for those from another copy of the package. */
export function isQRHeadError(error: unknown): error is QRHeadError {
  return error instanceof Error && "code" in error && /^(QRHead|Input|ContextOverflow)Error$/.test(error.name);
}

/** The one sentence for a wrong argument: what was expected, under which name, and what came instead. */
export function invalidArgument(name: string, expected: string, received: unknown): InputError {
  const shown = typeof received === "string" ? JSON.stringify(received.slice(0, 80)) : asText(received).slice(0, 80);
  const type = received === null ? "null" : Array.isArray(received) ? "array" : typeof received;
  return new InputError("INVALID_ARGUMENT", `Expected ${expected} for ${name} but received ${shown} of type ${type}`);
}

function asText(value: unknown): string {
  try {
    return String(value);
  } catch {
    // An object without a prototype, or an array that holds one.
    return Object.prototype.toString.call(value);
  }
}
