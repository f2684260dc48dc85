// Loads broken copies of a model, and uses those that load all the same. Prints how often each outcome came; the parent
// learns from the last line which copy ended the process, if one did.
import { readFileSync, writeFileSync } from "node:fs";
import { createContext, given, load, never, tokens } from "./setup.mjs";

const original = readFileSync(given.base);
const vocabulary = original.indexOf("tokenizer.ggml.tokens");
const tensors = original.indexOf("token_embd.weight");

/** Where the vocabulary's entries begin. */
const entries = [];
for (let at = original.indexOf("tokenizer."); at !== -1 && at < tensors; at = original.indexOf("tokenizer.", at + 1))
  entries.push(at);

/** Uniform numbers below 1, the same for a seed on every machine (mulberry32). */
function random(seed) {
  let state = Math.imul(seed, 2654435761);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const damages = {
  /** Cut short anywhere, half of the time within the header. */
  truncated: (bytes, next) => bytes.subarray(0, Math.floor(next() * (next() < 0.5 ? tensors : bytes.length))),
  /** A few bits of the metadata in front of the vocabulary. */
  metadata: (bytes, next) => flip(bytes, next, 0, vocabulary),
  /** A few bits of the vocabulary, most of them in the entries' names, types and lengths. */
  vocabulary: (bytes, next) => {
    const entry = entries[Math.floor(next() * entries.length)];
    return next() < 0.7 ? flip(bytes, next, entry, entry + 64) : flip(bytes, next, vocabulary, tensors - 24);
  },
  /** A few bits of the tensors' names, shapes, types and places. */
  tensors: (bytes, next) => flip(bytes, next, tensors - 24, tensors + 700),
};

function flip(bytes, next, begin, end) {
  const copy = Buffer.from(bytes);
  const flips = 1 + Math.floor(next() * 6);
  for (let i = 0; i < flips; i++) copy[begin + Math.floor(next() * (end - begin))] ^= 1 << Math.floor(next() * 8);
  return copy;
}

async function outcomeOf(file) {
  let model;
  try {
    model = await load(file);
    const { layers, heads } = model.info();
    await model.tokenize([{ text: "Hello, world!", special: false }]);
    const context = await createContext(model, { contextSize: 64, heads: Int32Array.of(layers - 1, heads - 1) });
    await context.observe([tokens(8)], { rows: "heads" }, never);
    await context.dispose();
    return "works";
  } catch (error) {
    return error.code ?? `${error.name}: ${error.message}`;
  } finally {
    await model?.dispose();
  }
}

const outcomes = {};
for (let seed = 0; seed < given.seeds; seed++) {
  if (given.skip?.includes(seed)) continue;
  process.stderr.write(`${given.damage} ${seed}\n`);
  writeFileSync(given.file, damages[given.damage](original, random(seed + 1)));
  const outcome = await outcomeOf(given.file);
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
}
process.stdout.write(JSON.stringify(outcomes));
