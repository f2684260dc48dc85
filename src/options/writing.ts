import { signal, withoutHeads } from "./model.ts";
import { callback, integer, number, type OptionSet, other, toggle } from "./spec.ts";

const isStop = (value: unknown) => typeof value === "string" && value !== "";

/** What `retriever.generate` takes. */
export const WRITING = {
  maxTokens: integer({
    min: 1,
    says: "tokens of the answer at most, and fewer where the context has no room for them",
    default: "512",
  }),
  temperature: number({
    ...{ min: 0, max: 10 },
    says: "how freely words are drawn",
    more: "0 always takes the likeliest token.",
    default: "0",
  }),
  topP: number({
    ...{ min: 0, max: 1 },
    says: "draw among the likeliest tokens that have this share of the probability together",
    default: "0.95",
  }),
  topK: integer({ min: 0, says: "draw among this many of the likeliest tokens; 0 is all", default: "40" }),
  repeatPenalty: number({
    ...{ min: 1, max: 10 },
    says: "divides the odds of the answer's last 64 tokens; 1 is no penalty",
    default: "1",
  }),
  seed: integer({
    ...{ min: 0, max: 2 ** 32 - 2 },
    says: "of the draws: the same messages then give the same text",
    default: "a random one",
  }),
  stop: other({
    type: "string | readonly string[]",
    expected: "a text that is not empty, or 1 to 16 of them",
    accepts: (value) =>
      isStop(value) || (Array.isArray(value) && value.length >= 1 && value.length <= 16 && value.every(isStop)),
    says: "texts before which the answer ends",
    default: "none",
  }),
  contextSize: integer({
    ...{ min: 16, max: 2 ** 27 },
    says: "tokens that messages and answer may have together",
    default: "what the model was trained for",
  }),
  cachePrompt: toggle({
    says: "do not read again what the messages begin with if the messages of the last call began with it too",
    more: "It moves last digits of the probabilities, as any other cut of the prompt does: `false` gives the same draws whatever was written before.",
    default: "`true`",
  }),
  withoutHeads,
  signal,
  onProgress: callback('(progress: { phase: "prompt"; done: number; total: number }) => void', {
    says: "called as the messages are read, with their tokens",
  }),
} as const satisfies OptionSet;
