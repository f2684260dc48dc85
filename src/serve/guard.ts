import { createHash, timingSafeEqual } from "node:crypto";
import type { Context } from "hono";
import { ClientGoneError, DeadlineError, HttpError } from "./failure.ts";

/** Says whether a request brings one of the keys, in a time that does not tell how much of it was right. */
export function keyCheck(keys: readonly string[]): (authorization: string | undefined) => boolean {
  const expected = keys.map(digest);
  return (authorization) => {
    if (expected.length === 0) return true;
    const given = digest(/^Bearer\s+(.*)$/i.exec(authorization ?? "")?.[1] ?? "");
    // All are compared, whichever it is.
    return expected.map((key) => timingSafeEqual(key, given)).includes(true);
  };
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/**
 * The JSON of a body.
 *
 * @throws HttpError 415 for another type: pages of other origins can send those without being asked; 400 for no JSON.
 */
export async function readJson(c: Context): Promise<unknown> {
  const type = c.req.header("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") throw new HttpError(415, 'Expected a body with "content-type: application/json"');
  try {
    return await c.req.json();
  } catch (error) {
    if (error instanceof SyntaxError) throw new HttpError(400, `The body is not JSON: ${error.message}`);
    throw error;
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
