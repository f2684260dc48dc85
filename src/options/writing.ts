import { isList } from "../util/kinds.ts";
import { signal, withoutHeads } from "./model.ts";
import { callback, integer, number, type OptionSet, other, toggle } from "./spec.ts";

const isStop = (value: unknown) => typeof value === "string" && value !== "";

/** What `retriever.generate` takes. */
export const WRITING = {
  maxTokens: integer({
    min: 1,
    says: "maximum tokens of the answer; fewer if the context has no room",
    value: 512,
  }),
  temperature: number({
    ...{ min: 0, max: 10 },
    says: "sampling temperature",
    more: "0 always takes the likeliest token.",
    value: 0,
  }),
  topP: number({
    ...{ min: 0, max: 1 },
    says: "draw among the likeliest tokens that together have this share of the probability",
    value: 0.95,
  }),
  topK: integer({ min: 0, says: "draw among this many of the likeliest tokens; 0 is all", value: 40 }),
  repeatPenalty: number({
    ...{ min: 1, max: 10 },
    says: "divides the odds of the answer's last 64 tokens; 1 is no penalty",
    value: 1,
  }),
  seed: integer({
    ...{ min: 0, max: 2 ** 32 - 2 },
    says: "seed of the sampling: the same messages then give the same text",
    default: "a random one",
  }),
  stop: other({
    type: "string | readonly string[]",
    expected: "a text that is not empty, or 1 to 16 of them",
    accepts: (value) =>
      isStop(value) || (isList(value) && value.length >= 1 && value.length <= 16 && value.every(isStop)),
    says: "texts that end the answer, before the first that occurs",
    default: "none",
  }),
  contextSize: integer({
    ...{ min: 16, max: 2 ** 27 },
    says: "tokens that messages and answer may have together",
    default: "what the model was trained for",
  }),
  cachePrompt: toggle({
    says: "reuse the cache for the beginning that the messages share with the last call",
    more: "Last digits of the probabilities may then differ. `false` gives the same text whatever was written before.",
    default: "`true`",
  }),
  withoutHeads,
  signal,
  onProgress: callback('(progress: { phase: "prompt"; done: number; total: number }) => void', {
    says: "called during prefill, with the tokens read",
  }),
} as const satisfies OptionSet;
