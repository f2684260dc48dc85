import type { Redis } from "ioredis";
import { InputError, QRHeadError } from "../errors.ts";

/** BullMQ, and a connection to the Redis that its queues are in. */
export type Queues = { bullmq: typeof import("bullmq"); connection: Redis; address: string };

/** How long the first connection may take. */
const CONNECT_MS = 10_000;
/** Longest pause before a lost connection is tried again. */
const LONGEST_PAUSE_MS = 5000;

/**
 * Connects to Redis. A connection that is lost later comes back by itself.
 *
 * @param url `redis:` or `rediss:`, with a user, a password and the number of a database where they are needed.
 * @throws InputError `INVALID_ARGUMENT` for another address, and where bullmq and ioredis are not installed.
 * @throws QRHeadError `QUEUE_FAILED` where nothing answers.
 */
export async function connect(url: string): Promise<Queues> {
  const address = addressOf(url);
  const { bullmq, Redis } = await importPackages();
  const connection = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    // Work waits for a Redis that is being started again.
    maxRetriesPerRequest: null,
    retryStrategy: (tries) => Math.min(LONGEST_PAUSE_MS, 50 * 2 ** Math.min(tries, 10)),
  });
  let last: unknown;
  connection.on("error", (error) => {
    last = error;
  });
  try {
    await connection.connect();
    await connection.ping();
    return { bullmq, connection, address };
  } catch (error) {
    connection.disconnect();
    throw unreachable(address, last ?? error);
  }
}

/** The address as messages show it, without the password. */
function addressOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || !/^rediss?:$/.test(parsed.protocol)) {
    throw new InputError("INVALID_ARGUMENT", "Expected an address such as redis://127.0.0.1:6379 for --redis", {
      ...{ option: "redis", expected: "a redis: or rediss: address" },
    });
  }
  return `${parsed.protocol}//${parsed.hostname || "127.0.0.1"}:${parsed.port || 6379}`;
}

function unreachable(address: string, error: unknown): QRHeadError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new QRHeadError("QUEUE_FAILED", `Redis at ${address} cannot be used: ${code ?? message}`, {
    ...{ cause: error, advice: "start redis-server there, or pass another --redis" },
  });
}

async function importPackages() {
  try {
    const [bullmq, { Redis }] = await Promise.all([import("bullmq"), import("ioredis")]);
    return { bullmq, Redis };
  } catch (error) {
    throw new InputError("INVALID_ARGUMENT", "Queues need two packages that qrhead does not install", {
      ...{ cause: error, advice: "npm install bullmq ioredis" },
    });
  }
}
