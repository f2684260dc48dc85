import { createHash, timingSafeEqual } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { ClientGoneError, DeadlineError, HttpError, SlowBodyError } from "./failure.ts";

/** Says whether a request brings one of the keys, in a time that does not tell how much of it was right. */
export function keyCheck(keys: readonly string[]): (authorization: string | undefined) => boolean {
  const expected = keys.map(digest);
  return (authorization) => {
    if (expected.length === 0) return true;
    const given = digest(/^Bearer\s+(.*)$/i.exec(authorization ?? "")?.[1] ?? "");
    // Compare with all keys, so that the time does not depend on which one matches.
    return expected.map((key) => timingSafeEqual(key, given)).includes(true);
  };
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/**
 * The JSON of a body.
 *
 * @param limit Ends the reading of a body that is too large.
 * @throws HttpError 415 for another type: pages of other origins can send those without being asked; 400 for no JSON; 408 for
 * a body that is not there when the signal is aborted. @throws ClientGoneError
 */
export async function readJson(c: Context, limit: MiddlewareHandler, signal: AbortSignal): Promise<unknown> {
  const [type, ...parameters] = (c.req.header("content-type") ?? "").toLowerCase().split(";");
  const charset = parameters.find((one) => one.trim().startsWith("charset="))?.replace(/^.*=|["\s]/g, "") ?? "utf-8";
  if (type?.trim() !== "application/json" || !["utf-8", "utf8"].includes(charset)) {
    throw new HttpError(415, 'Expected a body of "content-type: application/json" in UTF-8');
  }
  const coding = c.req.header("content-encoding") ?? "identity";
  if (coding.toLowerCase() !== "identity")
    throw new HttpError(415, `Expected a body without content-encoding: ${coding}`);
  const bytes = await readBytes(c, limit, signal);
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    const reason = error instanceof SyntaxError ? `JSON: ${error.message}` : "UTF-8";
    throw new HttpError(400, `The body is not ${reason}`);
  }
}

async function readBytes(c: Context, limit: MiddlewareHandler, signal: AbortSignal): Promise<ArrayBuffer> {
  let bytes = new ArrayBuffer(0);
  const reading = limit(c, async () => {
    bytes = await c.req.arrayBuffer();
  });
  try {
    await untilAborted(reading, signal);
    return bytes;
  } catch (error) {
    if (error instanceof DeadlineError) throw new SlowBodyError();
    // Only the connection can be the cause.
    throw error instanceof HttpError ? error : new ClientGoneError();
  }
}

/** Rejects with the signal's reason once it is aborted, whatever the work does. */
async function untilAborted(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
  work.catch(() => {});
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Runs work with a signal that the request's end of time sets, or its client when it goes away. */
export async function withDeadline<T>(
  c: Context,
  milliseconds: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const { signal } = c.req.raw;
  const onGone = () => controller.abort(new ClientGoneError());
  const timer = setTimeout(() => controller.abort(new DeadlineError(milliseconds)), milliseconds);
  signal.addEventListener("abort", onGone, { once: true });
  if (signal.aborted) onGone();
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onGone);
  }
}
