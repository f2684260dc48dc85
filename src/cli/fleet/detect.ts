import { type DetectionExample, type DetectionExampleInput, goldIndexes } from "../../detect/examples.ts";
import type { ExampleScores } from "../../detect/objectives.ts";
import { type DetectOptions, type ParsedDetectOptions, parseDetectOptions } from "../../detect/options.ts";
import { type ExampleScorer, openScorer } from "../../detect/scorer.ts";
import { ContextOverflowError, InputError } from "../../errors.ts";
import { ahead } from "../../fleet/ahead.ts";
import { type FleetClient, JobFailed } from "../../fleet/client.ts";
import type { Handler } from "../../fleet/worker.ts";
import type { LoadOptions } from "../../options.ts";
import { zod } from "../../util/zod.ts";
import type { OneEngine } from "./engines.ts";

const DETECT_OPEN = "detect-open";
const DETECT_FIT = "detect-fit";
const DETECT_SCORE = "detect-score";

/** The options of detection that decide an example's scores. The others decide what is made of the scores. */
export type ScoringPart = Pick<DetectOptions, "objective" | "rawMass" | "nullQuery" | "prompt" | "maxDocumentTokens"> &
  Pick<DetectOptions, "contextSize" | "batchSize" | "cacheTypeK" | "cacheTypeV" | "flashAttention">;

type Opened = Pick<ExampleScorer, "model" | "prompt" | "fingerprint">;
type Measured = { tokens: number; overflow?: { promptTokens: number; contextSize: number } };
type Value = { fingerprint: string; scores: string; ranking?: string; masses: string };

const payloadSchema = () => {
  const z = zod();
  const document = z.strictObject({ id: z.string(), text: z.string(), title: z.string().optional() });
  return z.strictObject({
    options: z.strictObject({
      objective: z.enum(["mass", "ndcg", "contrastive"]).optional(),
      rawMass: z.boolean().optional(),
      nullQuery: z.string().optional(),
      prompt: z.string().optional(),
      maxDocumentTokens: z.number().optional(),
      contextSize: z.number().optional(),
      batchSize: z.number().optional(),
      cacheTypeK: z.string().optional(),
      cacheTypeV: z.string().optional(),
      flashAttention: z.boolean().optional(),
    }),
    example: z
      .strictObject({ id: z.string(), query: z.string(), docs: z.array(document), gold: z.array(z.string()) })
      .optional(),
  });
};

/** Scores examples on the workers. Heads of two models are an error. */
export async function remoteScorer(client: FleetClient, part: ScoringPart, inFlight: number): Promise<ExampleScorer> {
  const options = Object.fromEntries(Object.entries(part).filter(([, value]) => value !== undefined));
  const ask = async <T>(kind: string, example?: DetectionExample): Promise<T> => {
    const { id, query, docs, gold } = example ?? {};
    const payload = { options, ...(example && { example: { id, query, docs, gold } }) };
    try {
      return (await client.ask<T>({ kind, payload, label: id ?? kind })).value;
    } catch (error) {
      throw error instanceof JobFailed ? error.cause : error;
    }
  };
  async function* each<T>(kind: string, examples: readonly DetectionExample[]) {
    for await (const { item, outcome } of ahead(examples, inFlight, (one) => ask<T>(kind, one))) {
      if (outcome.status === "rejected") throw outcome.reason;
      yield { example: item, value: outcome.value };
    }
  }
  const opened = await ask<Opened>(DETECT_OPEN);
  return {
    ...opened,
    async *measure(examples) {
      for await (const { value } of each<Measured>(DETECT_FIT, examples)) {
        const { tokens, overflow } = value;
        yield {
          tokens,
          ...(overflow && { overflow: new ContextOverflowError(overflow.promptTokens, overflow.contextSize) }),
        };
      }
    },
    async *score(examples) {
      for await (const { example, value } of each<Value>(DETECT_SCORE, examples)) {
        if (value.fingerprint !== opened.fingerprint) {
          throw new InputError(
            "INVALID_INPUT",
            "Workers of two models scored the examples, and their heads cannot be combined",
            {
              advice: "give workers of another model another --queue",
            },
          );
        }
        const scores = toFloats(value.scores);
        const ranking = value.ranking === undefined ? scores : toFloats(value.ranking);
        const masses = toFloats(value.masses);
        const { length: documents } = example.docs;
        yield { scores, ranking, masses, documents, gold: goldIndexes(example) } satisfies ExampleScores;
      }
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** Jobs of detection on this worker. */
export function detectHandlers(engine: OneEngine, load: LoadOptions): Readonly<Record<string, Handler>> {
  const opened = async (payload: unknown) => {
    const { options, example } = read(payload);
    const { heads: _, ...device } = load;
    const parse = (examples: DetectOptions["examples"]): ParsedDetectOptions =>
      parseDetectOptions({ ...device, ...(options as ScoringPart), examples });
    const scorer = await engine.use(JSON.stringify(["detect", options]), () => openScorer(parse([PLACEHOLDER])));
    const examples = example ? parse([example as DetectionExampleInput]).examples : [];
    return { scorer, examples };
  };
  return {
    [DETECT_OPEN]: async (payload): Promise<Opened> => {
      const { model, prompt, fingerprint } = (await opened(payload)).scorer;
      return { model, prompt, fingerprint };
    },
    [DETECT_FIT]: async (payload): Promise<Measured> => {
      const { scorer, examples } = await opened(payload);
      const { tokens, overflow } = (await only(scorer.measure(examples)))!;
      const { promptTokens, contextSize } = overflow ?? {};
      return { tokens, ...(overflow && { overflow: { promptTokens: promptTokens!, contextSize: contextSize! } }) };
    },
    [DETECT_SCORE]: async (payload): Promise<Value> => {
      const { scorer, examples } = await opened(payload);
      const { scores, ranking, masses } = (await only(scorer.score(examples)))!;
      return {
        ...{ fingerprint: scorer.fingerprint, scores: toBase64(scores), masses: toBase64(masses) },
        ...(ranking !== scores && { ranking: toBase64(ranking) }),
      };
    },
  };
}

/** Options are checked with an example beside them. */
const PLACEHOLDER = { query: "a", docs: ["a", "b"], gold: ["0"] };

async function only<T>(generator: AsyncGenerator<T, void>): Promise<T | undefined> {
  try {
    return (await generator.next()).value ?? undefined;
  } finally {
    await generator.return();
  }
}

function read(payload: unknown) {
  const parsed = payloadSchema().safeParse(payload);
  if (parsed.success) return parsed.data;
  const { path = [], message } = parsed.error.issues[0] ?? {};
  throw new InputError("INVALID_ARGUMENT", `The job's ${path.join(".") || "payload"} is wrong: ${message}`);
}

function toBase64(values: Float32Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("base64");
}

function toFloats(text: string): Float32Array {
  return new Float32Array(Uint8Array.from(Buffer.from(text, "base64")).buffer);
}
