import { integer, type OptionSet, text, texts, toggle } from "./spec.ts";

const REDIS = "Redis";
const RUNS = "Runs";

/** Where jobs are. A command line shows a password to everybody, so that the address may be in the environment. */
export const QUEUE = {
  redis: text({
    ...{ required: true, flag: "--redis <URL>", env: "QRHEAD_REDIS_URL", group: REDIS },
    ...{ expected: "a redis: or rediss: address", says: "address of Redis" },
  }),
  queue: text({
    ...{ flag: "--queue <NAME>", expected: "a name", group: REDIS, value: "qrhead" },
    ...{ says: "queue of the workers", default: '`"qrhead"`' },
  }),
} as const satisfies OptionSet;

/** What `qrhead worker` takes, beside options of loading. */
export const WORKING = {
  ...QUEUE,
  root: texts({
    ...{ flag: "--root <DIR>", expected: "a list of folders", flagExpected: "a folder" },
    ...{ says: "folders whose files jobs may name", flagSays: "folder whose files jobs may name; repeatable" },
    ...{ default: "none", shortDefault: "none" },
  }),
  lease: integer({
    ...{ min: 1000, max: 3_600_000, unit: "milliseconds", value: 15_000 },
    ...{ flag: "--lease <S>", flagUnit: ["seconds", 1000] as const },
    says: "time after which a lost worker's job goes to another",
    flagSays: "seconds after which a lost worker's job goes to another",
  }),
} as const satisfies OptionSet;

/** What every `qrhead submit` takes. */
export const SUBMITTING = {
  ...QUEUE,
  output: text({
    ...{ required: true, writes: true, flag: "-o, --output <OUT>", expected: "a path" },
    says: "file of results, JSON Lines",
  }),
  resume: toggle({ flag: "--resume", says: "continue the file of a submission that ended", group: RUNS }),
  retry: toggle({ flag: "--retry", says: "with --resume: retry failed jobs", group: RUNS }),
  force: toggle({ flag: "--force", says: "start over if the file exists", group: RUNS }),
  attempts: integer({ min: 1, max: 100, flag: "--attempts <N>", says: "attempts per job", value: 3, group: RUNS }),
  backOff: integer({
    ...{ min: 1, max: 600_000, unit: "milliseconds", flag: "--back-off <MS>", value: 1000, group: RUNS },
    says: "time before the second attempt, doubled for later ones",
    flagSays: "milliseconds before the second attempt, doubled for later ones",
  }),
  inFlight: integer({
    ...{ min: 1, max: 10_000, flag: "--in-flight <N>", says: "jobs in Redis at once", value: 64, group: RUNS },
  }),
} as const satisfies OptionSet;
