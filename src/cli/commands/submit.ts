import type { Command } from "commander";
import { FleetClient } from "../../fleet/client.ts";
import { OUTPUTS } from "../../options/command-line.ts";
import { QUEUE } from "../../options/fleet.ts";
import type { FlagsOf } from "../../options/spec.ts";
import { registerSubmitDetect } from "../fleet/submit-detect.ts";
import { registerSubmitEval } from "../fleet/submit-eval.ts";
import { registerSubmitRerank } from "../fleet/submit-rerank.ts";
import { addHelp } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { addCommonOptions, addOptions, type CommonFlags } from "../options.ts";
import { note, oneLine, print, printJson } from "../output.ts";
import { plainTable } from "../table.ts";

type FailedFlags = CommonFlags & FlagsOf<typeof QUEUE, "redis"> & { remove?: boolean; json?: boolean };

/** `qrhead submit`: puts jobs into Redis for `qrhead worker`, and collects the results. */
export function registerSubmit(program: Command): void {
  const command = program.command("submit").description("have workers rerank, evaluate or find heads (needs Redis)");
  addHelp(command, { examples: ["qrhead submit rerank --help"] });
  registerSubmitRerank(command);
  registerSubmitEval(command);
  registerSubmitDetect(command);
  const letters = command.command("failed").description("list jobs that failed finally");
  addOptions(letters, [
    ...Object.values(QUEUE),
    OUTPUTS.remove,
    { ...OUTPUTS.json, says: "print one JSON object a line" },
  ]);
  addHelp(addCommonOptions(letters), { examples: ["qrhead submit failed --redis redis://127.0.0.1:6379"] }).action(
    failed,
  );
}

async function failed(_: unknown, command: Command): Promise<void> {
  const { redis, queue, remove, json, quiet } = command.optsWithGlobals<FailedFlags>();
  await using client = await FleetClient.open({ redis, queue, run: "", signal: interruptSignal() });
  const letters = await client.deadLetters();
  if (json) for (const letter of letters) printJson(letter);
  else if (letters.length > 0) {
    const rows = letters.map(({ at, kind, label, attempts, message }) => {
      return [at, kind, oneLine(label), String(attempts), oneLine(message)];
    });
    print(plainTable(["When", "Kind", "Query", "Tries", "Why"], rows, [], [3]));
  } else if (!quiet) note("No job has failed.");
  if (remove) await client.removeDeadLetters();
}
