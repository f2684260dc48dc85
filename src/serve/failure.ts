import { isQRHeadError } from "../index.ts";
import { DEVICE, heads, PASS, prompt } from "../options/model.ts";
import { maxDocumentTokens, nullQuery } from "../options/ranking.ts";
import { fieldNames, flagNames, type Names, wordError, wordWarning } from "../options/requests.ts";

const NAMES: Names = {
  ...flagNames({ ...DEVICE, ...PASS, heads, prompt, nullQuery, maxDocumentTokens }),
  ...fieldNames({
    ...{ query: "query", documents: "documents", fuse: "fuse", prior: "prior", order: "order", unit: "unit" },
    ...{ threshold: "threshold", relative: "relative", marker: "marker", candidates: "candidates" },
    ...{ budgetTokens: "budget_tokens", chunkTokens: "chunk_tokens", topK: "top_k" },
  }),
};
const RERANK_NAMES: Names = { ...NAMES, ...fieldNames({ maxDocumentTokens: "max_tokens_per_doc" }) };

/** What warnings of the library say, by the names of a route that takes the fields of reranking, or not. */
export function warningsFor(warnings: readonly string[], reranks: boolean): string[] {
  return warnings.map((warning) => wordWarning(warning, reranks ? RERANK_NAMES : NAMES));
}

/** What a request is answered with when it fails. */
export class HttpError extends Error {
  override name = "HttpError";
  readonly status: number;
  readonly type: string;
  /** Seconds after which to try again. */
  readonly retryAfter: number | undefined;
  /** Methods that the path knows. */
  allow: string | undefined;

  constructor(status: number, message: string, type = typeOf(status), retryAfter?: number) {
    super(message);
    this.status = status;
    this.type = type;
    this.retryAfter = retryAfter;
  }
}

/** A method that a path does not know. */
export class MethodError extends HttpError {
  constructor({ method, path }: { method: string; path: string }, known: readonly string[]) {
    super(405, `${path} takes ${known.join(", ")} and not ${method}`);
    this.allow = known.join(", ");
  }
}

/** Reason of the signal of a request that took too long. */
export class DeadlineError extends HttpError {
  constructor(milliseconds: number) {
    super(504, `The request was not done after ${milliseconds / 1000} s`, "timeout_error");
  }
}

/** The answer to a body that did not arrive within the time of its request. */
export class SlowBodyError extends HttpError {
  constructor() {
    super(408, "The body did not arrive in time");
  }
}

/** Reason of the signal of a request whose client went away. */
export class ClientGoneError extends HttpError {
  constructor() {
    super(499, "The client closed the connection", "client_closed_request");
  }
}

const STATUS: Readonly<Record<string, number>> = {
  INVALID_ARGUMENT: 400,
  INVALID_INPUT: 400,
  CONTEXT_OVERFLOW: 413,
  TOKENIZER_UNSUPPORTED: 422,
  CORPUS_INVALID: 409,
  CORPUS_MISMATCH: 409,
  ENGINE_DIED: 503,
  DISPOSED: 503,
  BUSY: 503,
};

/**
 * Any failure as an answer. The message of an unexpected error stays in the server.
 *
 * @param reranks Whether the request could have the fields of reranking.
 */
export function toHttpError(error: unknown, reranks: boolean): HttpError {
  if (error instanceof HttpError) return error;
  // JSON with thousands of levels can be parsed but not written.
  if (error instanceof RangeError && error.message.includes("call stack")) {
    return new HttpError(400, "The body nests too deeply");
  }
  if (!isQRHeadError(error)) return new HttpError(500, "The server failed to answer");
  const status = STATUS[error.code] ?? 500;
  return new HttpError(
    status,
    wordError(error, reranks ? RERANK_NAMES : NAMES),
    typeOf(status),
    status === 503 ? 1 : undefined,
  );
}

function typeOf(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 404) return "not_found_error";
  if (status === 429) return "rate_limit_error";
  if (status === 501) return "not_supported_error";
  if (status === 503) return "unavailable_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}

/** Whose clients a route answers, for the shape of errors. `any`: routes that several of them share. */
export type Family = "any" | "cohere" | "tei";

const TEI_TYPES: Readonly<Record<number, string>> = {
  400: "Validation",
  413: "Validation",
  422: "Tokenizer",
  429: "Overloaded",
};

/** An error as the clients of a family read it. */
export function errorBody({ status, message, type }: HttpError, family: Family): object {
  if (family === "tei") return { error: message, error_type: TEI_TYPES[status] ?? "Backend" };
  if (family === "cohere") return { message };
  return { error: { code: status, message, type }, message, detail: message };
}
