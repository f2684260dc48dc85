#!/usr/bin/env node
import { Interrupted, reportFailure } from "./failure.ts";
import { endSoon } from "./interrupt.ts";
import { endQuietlyOnClosedPipe } from "./output.ts";
import { runCommandLine } from "./run.ts";

const args = process.argv.slice(2);
const fail = (error: unknown) => reportFailure(error, args.includes("--verbose"));
const failNow = (error: unknown) => process.exit(fail(error));
process.on("uncaughtException", failNow);
process.on("unhandledRejection", failNow);
endQuietlyOnClosedPipe(failNow);

try {
  await runCommandLine(args);
} catch (error) {
  const { adviseHeads, offerHeads } = await import("./offer-heads.ts");
  const last = await offerHeads(error, args).then(
    (done) => (done ? undefined : error),
    (another: unknown) => another,
  );
  adviseHeads(last, args);
  if (last !== undefined) process.exitCode = fail(last);
  if (last instanceof Interrupted) endSoon();
}
