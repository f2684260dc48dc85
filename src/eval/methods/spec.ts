import { InputError } from "../../errors.ts";
import { EVALUATING } from "../../options/evaluating.ts";
import { assertList, assertText } from "../../util/given.ts";
import { crossEncoder } from "./cross-encoder.ts";
import { dense } from "./dense.ts";
import { type Method, plainMethod } from "./method.ts";
import { qrhead } from "./qrhead.ts";
import { rankGpt } from "./rankgpt.ts";

const EXPECTED =
  "first-stage, bm25, bm25:light, qrhead, heads, qrhead:HEADS, icr, random:N:SEED, rankgpt, cross-encoder:MODEL, dense:MODEL, " +
  "rrf(A,B,…), z:WEIGHT(A,B), or NAME=one of these";

type Maker = (argument: string | undefined, name: string, spec: string) => Method | null;

/** By the word that a specification begins with. Null where the rest does not fit. */
const MAKERS: Readonly<Record<string, Maker>> = {
  "first-stage": (argument, name, spec) =>
    without(argument, {
      ...{ name, spec, seesOrder: false },
      open: async () => plainMethod(async ({ scores }) => ({ scores: [...scores] })),
    }),
  bm25: (argument, name, spec) =>
    without(argument === "light" ? undefined : argument, {
      ...{ name, spec, seesOrder: false },
      open: async () =>
        plainMethod(async ({ bm25 }) => ({ scores: await bm25(argument === "light" ? "light" : "lucene") })),
    }),
  // Named heads rank alone. The head set's weight beside BM25 applies only if no heads are named.
  qrhead: (argument, name, spec) => qrhead(argument, name, spec, argument === undefined ? undefined : "none"),
  heads: (argument, name, spec) => without(argument, qrhead(undefined, name, spec, "none")),
  icr: (argument, name, spec) => without(argument, qrhead("all", name, spec, "none")),
  random: (argument, name, spec) =>
    /^\d+:\d+$/.test(argument ?? "") ? qrhead(`random:${argument}`, name, spec, "none") : null,
  rankgpt: (argument, name, spec) => rankGpt(argument, name, spec),
  "cross-encoder": (argument, name, spec) => (argument ? crossEncoder(argument, name, spec) : null),
  dense: (argument, name, spec) => (argument ? dense(argument, name, spec) : null),
};

function without(argument: string | undefined, method: Method): Method | null {
  return argument === undefined ? method : null;
}

/**
 * Reads method specifications. The methods that a fusion names join the list before it where they are not in it.
 *
 * - `first-stage` the candidates' own order, `bm25`, and `bm25:light` with lighter word processing
 * - `qrhead` what `rank` gives by default, with the built-in model the heads and BM25 over the candidates; `heads` the same
 *   heads alone; `qrhead:HEADS` any that `--heads` takes, alone; `icr` all heads, `random:N:SEED` a control
 * - `rankgpt` listwise by generation with the same model, or `rankgpt:MODEL`
 * - `cross-encoder:MODEL`, `dense:MODEL` a GGUF for reranking, or for embedding
 * - `rrf(A,B)` reciprocal rank fusion of methods, by name or specification
 * - `z:WEIGHT(A,B)` the sum of both methods' z-scores, WEIGHT for the first and 1 − WEIGHT for the second. In these two
 *   `qrhead` counts with what its heads say
 * - `NAME=…` any of these under a name of its own
 *
 * @throws InputError `INVALID_ARGUMENT` for anything else, or a name that stands for two methods.
 * @example
 * const methods = parseMethods(["qrhead", "qrhead:all", "bm25"]);
 */
export function parseMethods(specs: readonly string[]): Method[] {
  assertList(specs, "methods", EVALUATING.methods.expected);
  for (const spec of specs) assertText(spec, "methods");
  const methods: Method[] = [];
  const add = (text: string): Method => {
    const { name, spec } = splitName(text);
    const known = methods.find((method) => method.name === name);
    if (known && (known.spec === spec || name === text.trim())) return known;
    if (known)
      throw new InputError(
        "INVALID_ARGUMENT",
        `Method ${name} names both ${known.spec} and ${spec}: rename one of them`,
      );
    const fused = /^(?:rrf|z:(\d*\.?\d+))\((.+)\)$/.exec(spec);
    const method = fused
      ? fusion(
          name,
          spec,
          splitParts(fused[2]!).map((part) => add(part).name),
          fused[1],
        )
      : parseOne(name, spec);
    methods.push(method);
    return method;
  };
  for (const text of specs) add(text);
  return methods;
}

function parseOne(name: string, spec: string): Method {
  const match = /^([a-z0-9-]+)(?::(.+))?$/s.exec(spec);
  const method = match && MAKERS[match[1]!]?.(match[2], name, spec);
  if (!method)
    throw new InputError("INVALID_ARGUMENT", `Expected a method (${EXPECTED}) but received ${JSON.stringify(spec)}`);
  return method;
}

function fusion(name: string, spec: string, fuses: string[], share: string | undefined): Method {
  if (new Set(fuses).size < 2) {
    throw new InputError("INVALID_ARGUMENT", `Expected at least two methods in ${spec}, such as rrf(bm25,qrhead)`);
  }
  const weight = Number(share);
  if (share !== undefined && (fuses.length !== 2 || weight > 1)) {
    const expected = "two methods and a weight from 0 to 1, such as z:0.5(qrhead,bm25)";
    throw new InputError("INVALID_ARGUMENT", `Expected ${expected} but received ${spec}`);
  }
  const open = () => Promise.reject(new Error("A fusion ranks from other methods' rankings"));
  return { name, spec, fuses, ...(share !== undefined && { weight }), seesOrder: true, open };
}

function splitName(text: string): { name: string; spec: string } {
  const trimmed = text.trim();
  const match = /^([\w.-]+)=(.+)$/s.exec(trimmed);
  return match ? { name: match[1]!, spec: match[2]!.trim() } : { name: trimmed, spec: trimmed };
}

/** Parts between commas, save those inside of brackets and between the heads of a list such as `13-18,13-21`. */
function splitParts(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  for (const piece of text.split(",")) {
    const continues = depth > 0 || (parts.length > 0 && /^\s*\d+[-_]\d+\)*\s*$/.test(piece));
    if (continues) parts[parts.length - 1] += `,${piece}`;
    else parts.push(piece);
    depth += (piece.match(/\(/g)?.length ?? 0) - (piece.match(/\)/g)?.length ?? 0);
  }
  return parts;
}
