#!/usr/bin/env node
import { Interrupted, reportFailure } from "./failure.ts";
import { endSoon } from "./interrupt.ts";
import { endQuietlyOnClosedPipe } from "./output.ts";
import { createProgram } from "./program.ts";

const args = process.argv.slice(2);
const fail = (error: unknown) => reportFailure(error, args.includes("--verbose"));
const failNow = (error: unknown) => process.exit(fail(error));
process.on("uncaughtException", failNow);
process.on("unhandledRejection", failNow);
endQuietlyOnClosedPipe(failNow);

try {
  await createProgram().parseAsync(args, { from: "user" });
} catch (error) {
  process.exitCode = fail(error);
  if (error instanceof Interrupted) endSoon();
}
