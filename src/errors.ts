import { counted } from "./util/counted.ts";
import { isList } from "./util/kinds.ts";

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
  | "INDEX_INVALID"
  | "ATTENTION_INVALID"
  | "ENGINE_FAILED"
  /** The process of an `IsolatedRetriever` ended during the call. */
  | "ENGINE_DIED"
  /** Redis cannot be used, or a worker could not do a job. */
  | "QUEUE_FAILED"
  | "DISPOSED"
  | "BUSY";

/** The parts of an error's sentence, from which a program or another interface can make a sentence of its own. */
export type ErrorDetails = ErrorOptions & {
  /** The option or argument at fault, such as `windows.windowTokens`. */
  option?: string;
  /** What would have been accepted there. */
  expected?: string;
  /** What came instead, its first 80 characters: strings and plain objects as JSON, the first 5 items of an array, "a function". */
  received?: string;
  /** What to do, with options as a program writes them: "use a contextSize of at least 900", "pass force: true". */
  advice?: string;
};

/**
 * Base of every error that qrhead throws on purpose.
 *
 * An aborted call is the exception: it rejects with the `reason` of the caller's own `AbortSignal`.
 */
export class QRHeadError extends Error {
  override name = "QRHeadError";
  readonly code: QRHeadErrorCode;
  /** See `ErrorDetails`; each may be absent. */
  declare readonly option?: string;
  declare readonly expected?: string;
  declare readonly received?: string;
  declare readonly advice?: string;

  /** @param problem What is wrong; with `details.advice` the message continues with a colon and the advice. */
  constructor(code: QRHeadErrorCode, problem: string, details: ErrorDetails = {}) {
    const { cause, ...facts } = details;
    super(
      facts.advice === undefined ? problem : `${problem}: ${facts.advice}`,
      "cause" in details ? { cause } : undefined,
    );
    this.code = code;
    Object.assign(this, facts);
  }
}

/** A wrong argument or a wrong input file, which the caller can fix. The command line exits with 2. */
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
      | "INDEX_INVALID"
    >,
    problem: string,
    details?: ErrorDetails,
  ) {
    super(code, problem, details);
  }
}

/** The prompt needs more tokens than the context holds. */
export class ContextOverflowError extends QRHeadError {
  override name = "ContextOverflowError" as const;
  /** Tokens that the prompt needs, the longer of query and null query included. */
  readonly promptTokens: number;
  /** Tokens that the context holds. */
  readonly contextSize: number;

  /**
   * @param subject What is too long.
   * @param advice What would help.
   * @param subjectTokens Tokens of the subject, if it is not the whole prompt.
   */
  constructor(
    promptTokens: number,
    contextSize: number,
    subject = "The prompt",
    advice = `use a contextSize of at least ${promptTokens}, pass fewer documents, or cut long ones with maxDocumentTokens`,
    subjectTokens = promptTokens,
  ) {
    super(
      "CONTEXT_OVERFLOW",
      `${subject} has ${counted(subjectTokens, "token")} but the context holds ${contextSize}`,
      {
        advice,
      },
    );
    this.promptTokens = promptTokens;
    this.contextSize = contextSize;
  }
}

/**
 * True for errors made by qrhead, also for those from another copy of the package.
 * @example
 * try {
 *   await retriever.rank("", ["Ada wrote it."]);
 * } catch (error) {
 *   if (isQRHeadError(error) && error.code === "INVALID_ARGUMENT") console.log(error.option, error.expected);
 * }
 */
export function isQRHeadError(error: unknown): error is QRHeadError {
  return error instanceof Error && "code" in error && /^(QRHead|Input|ContextOverflow)Error$/.test(error.name);
}

/** The one sentence for a wrong argument: what was expected, under which name, and what came instead. */
export function invalidArgument(option: string, expected: string, value: unknown): InputError {
  const received = asText(value).slice(0, 80);
  const type = value === null ? "null" : isList(value) ? "array" : typeof value;
  const shown = type === "function" ? received : `${received} of type ${type}`;
  return new InputError("INVALID_ARGUMENT", `Expected ${expected} for ${option} but received ${shown}`, {
    ...{ option, expected, received },
  });
}

/** Items of an array that a message shows. */
const SHOWN_ITEMS = 5;

function asText(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 80));
  // Its source has many lines, and may be the source of a wrapper.
  if (typeof value === "function") return "a function";
  try {
    if (isList(value)) {
      const shown = Array.from(value.slice(0, SHOWN_ITEMS), asItem);
      return `[${[...shown, ...(value.length > SHOWN_ITEMS ? ["…"] : [])].join(", ")}]`;
    }
    const isPlain = typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
    return (isPlain ? JSON.stringify(value) : undefined) ?? String(value);
  } catch {
    // It has no prototype, throws when it is read, or contains itself.
    return kindOf(value);
  }
}

/** A revoked proxy throws at every access. */
function kindOf(value: unknown): string {
  try {
    return Object.prototype.toString.call(value);
  } catch {
    return "a proxy";
  }
}

function asItem(item: unknown): string {
  return isList(item) ? "[…]" : asText(item);
}
