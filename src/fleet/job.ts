import { createHash } from "node:crypto";
import { QRHeadError } from "../errors.ts";
import { zod } from "../util/zod.ts";

/** Of the form of jobs and their results: another version is not understood. */
const VERSION = 1;

/** A job as it stands in Redis: data alone. */
export type JobData = {
  version: number;
  kind: string;
  payload: unknown;
  /** What people call it: the id of its query. */
  label: string;
};

/** What a worker sends back. */
export type JobResult = { value: unknown; worker: string; ms: number };

export type Ask = { kind: string; payload: unknown; label: string };

export function toJob({ kind, payload, label }: Ask): JobData {
  return { version: VERSION, kind, payload, label };
}

/** @throws QRHeadError `QUEUE_FAILED` for what is no job of this version. */
export function readJob(data: unknown): JobData {
  const z = zod();
  const schema = z.strictObject({
    version: z.literal(VERSION),
    kind: z.string(),
    payload: z.unknown(),
    label: z.string(),
  });
  const parsed = schema.safeParse(data);
  if (parsed.success) return parsed.data;
  throw new QRHeadError("QUEUE_FAILED", `The job is not of this version of qrhead (${VERSION}), or is damaged`, {
    advice: "run the same version of qrhead everywhere",
  });
}

/** The same for the same question within a run, so that one that is asked again finds its job. */
export function idOf(run: string, { kind, payload }: Ask): string {
  return `${run}-${digest([kind, payload])}`;
}

/** SHA-256 of a value as JSON, its first 32 hexadecimal digits. */
export function digest(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 32);
}
