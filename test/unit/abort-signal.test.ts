import { createContext, runInContext } from "node:vm";
import { expect, test } from "vitest";
import { parseRankOptions } from "../../src/options.ts";
import { isSignal, ownSignal } from "../../src/util/abort-signal.ts";

/** A signal as the abort-controller package makes it: neither `reason` nor `throwIfAborted`, and no AbortSignal of Node's. */
function polyfilled() {
  const target = new EventTarget();
  const signal = { aborted: false, addEventListener: target.addEventListener.bind(target) };
  const abort = () => {
    signal.aborted = true;
    target.dispatchEvent(new Event("abort"));
  };
  return { signal: signal as unknown as AbortSignal, abort };
}

test("a signal of a polyfill or another realm is taken, once for each, and stops what it is passed to", () => {
  const { signal, abort } = polyfilled();
  const taken = parseRankOptions({ signal }).signal!;
  expect(taken).toBeInstanceOf(AbortSignal);
  expect(parseRankOptions({ signal }).signal).toBe(taken);
  expect(taken.aborted).toBe(false);
  abort();
  expect(() => taken.throwIfAborted()).toThrow(expect.objectContaining({ name: "AbortError" }));

  const foreign = runInContext(
    `({ aborted: true, reason: "enough", addEventListener() {} })`,
    createContext({}),
  ) as AbortSignal;
  expect(ownSignal(foreign)).toMatchObject({ aborted: true, reason: "enough" });
});

test("Node's own signals stay what they are, and what is no signal is refused", () => {
  const { signal } = new AbortController();
  expect(ownSignal(signal)).toBe(signal);
  expect(ownSignal(undefined)).toBeUndefined();
  for (const wrong of [null, 1, "abort", {}, { aborted: false }, new AbortController()]) {
    expect(isSignal(wrong)).toBe(false);
    expect(() => parseRankOptions({ signal: wrong })).toThrow("Expected an AbortSignal for signal but received");
  }
});
