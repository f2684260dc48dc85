import type { Redis } from "ioredis";
import { QRHeadError } from "../errors.ts";
import type { RankDocument } from "../types.ts";
import { digest } from "./job.ts";

/** Documents that many jobs share stand in Redis once, under the digest of their content. */
export type DocumentsReference = { digest: string };

/** Seconds that Redis keeps them after they were last asked for. */
const KEEP_S = 24 * 3600;
/** Lists of documents that a worker keeps, so that it fetches them once. */
const KEPT = 4;

const keyOf = ({ digest: hash }: DocumentsReference) => `qrhead:documents:${hash}`;

/** Puts documents there, for as long as they are asked for. */
export async function putDocuments(redis: Redis, documents: readonly RankDocument[]): Promise<DocumentsReference> {
  const reference = { digest: digest(documents) };
  await redis.set(keyOf(reference), JSON.stringify(documents), "EX", KEEP_S);
  return reference;
}

/** Fetches documents, and keeps the last few. */
export class SharedDocuments {
  readonly #redis: Redis;
  readonly #kept = new Map<string, RankDocument[]>();

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** @throws QRHeadError `QUEUE_FAILED` where they are not there (any more). */
  async get(reference: DocumentsReference): Promise<RankDocument[]> {
    const documents = this.#kept.get(reference.digest) ?? (await this.#fetch(reference));
    // The list used last is evicted last.
    this.#kept.delete(reference.digest);
    this.#kept.set(reference.digest, documents);
    for (const oldest of this.#kept.keys()) if (this.#kept.size > KEPT) this.#kept.delete(oldest);
    return documents;
  }

  async #fetch(reference: DocumentsReference): Promise<RankDocument[]> {
    const key = keyOf(reference);
    const text = await this.#redis.get(key);
    const documents = text === null ? undefined : (JSON.parse(text) as RankDocument[]);
    if (documents === undefined || digest(documents) !== reference.digest) {
      throw new QRHeadError("QUEUE_FAILED", "The documents of the job are no longer in Redis", {
        advice: "run the submission again with --resume --retry",
      });
    }
    await this.#redis.expire(key, KEEP_S);
    return documents;
  }
}
