import { zod } from "../util/zod.ts";

let schema: ReturnType<typeof headSetSchema> | undefined;

/** Checks a value against the format of `qrhead detect`, which the type `HeadSet` describes. */
export function checkHeadSet(value: unknown) {
  schema ??= headSetSchema();
  return schema.safeParse(value);
}

function headSetSchema() {
  const z = zod();
  const count = z.number().int().positive();
  const index = z.number().int().nonnegative();
  const share = z.number().min(0).max(1);

  const modelSchema = z.object({
    name: z.string(),
    architecture: z.string(),
    layers: count,
    heads: count,
    fingerprint: z.string().exactOptional(),
    slidingWindow: z.object({ tokens: count, layers: z.array(index).nullable() }).exactOptional(),
  });

  const curve = z.looseObject({
    a: z.number(),
    b: z.number().positive(),
    words: z.number().min(0).exactOptional(),
    heldOut: z.looseObject({ folds: count, auc: share, logLoss: z.number() }).exactOptional(),
  });

  return z.object({
    format: z.literal("qrhead-heads"),
    version: z.literal(1),
    model: modelSchema,
    prompt: z.enum(["auto", "llama3", "qwen2.5", "template", "plain", "question"]).exactOptional(),
    nullQuery: z.string().exactOptional(),
    promptTokens: z.int().min(1).exactOptional(),
    layout: z.enum(["listwise", "independent"]).exactOptional(),
    fuse: share.exactOptional(),
    objective: z.string().exactOptional(),
    source: z
      .looseObject({ name: z.string(), examples: index.exactOptional(), url: z.string().exactOptional() })
      .exactOptional(),
    heads: z.array(z.tuple([index, index])).min(1),
    weights: z.array(z.number().nonnegative()).exactOptional(),
    temperature: z.number().positive().exactOptional(),
    seed: index.exactOptional(),
    stability: z
      .looseObject({
        splits: count,
        examples: count,
        overlap: share,
        chance: share,
        curve: z.array(z.object({ examples: count, overlap: share })),
      })
      .exactOptional(),
    quality: z
      .looseObject({
        folds: count,
        byHeads: z.array(z.object({ heads: count, ndcg: z.number(), rPrecision: z.number() })),
      })
      .exactOptional(),
    calibration: z.object({ listwise: curve.exactOptional(), independent: curve.exactOptional() }).exactOptional(),
    fit: z
      .looseObject({
        kept: z.boolean(),
        pull: z.number().exactOptional(),
        l1: z.number().exactOptional(),
        folds: count,
        ndcg: z.object({ plain: z.number(), weighted: z.number() }),
        standardError: z.number(),
      })
      .exactOptional(),
    scores: z.array(z.array(z.number())).exactOptional(),
  });
}
