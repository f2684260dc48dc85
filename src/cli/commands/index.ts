import type { Command } from "commander";
import type { LeftOutFile } from "../../documents/read-files.ts";
import { InputError } from "../../errors.ts";
import { type ChunkIndex, openIndex } from "../../index-store/chunk-index.ts";
import type { IndexUpdate } from "../../index-store/update.ts";
import { INDEXING } from "../../options/answering.ts";
import { INPUTS, OUTPUTS } from "../../options/command-line.ts";
import { counted } from "../../util/counted.ts";
import { addHelp } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { addCommonOptions, addOptions, type CommonFlags } from "../options.ts";
import { oneLine, print, printJson } from "../output.ts";
import { progressBar } from "../progress.ts";
import { expandAll } from "../retrieving.ts";
import { warnOfLeftOut } from "../sources.ts";

type IndexFlags = CommonFlags & { index?: string; chunkSize?: number; json?: boolean };

const HELP = {
  examples: [
    "qrhead index notes/ report.txt --index notes.index",
    "qrhead index --index notes.index    # again: reads what has changed",
    'qrhead retrieve "who keeps the keys" --index notes.index',
  ],
  details: `
The index then has the chunks of exactly these files and folders; deleted files are removed. Without paths it takes those
of the last update. It needs no model. retrieve, ask and rerank use it with --index, and any model ranks what it finds.

Files are texts, Markdown, source code, and JSON Lines and JSON arrays of documents. Dot files, dot folders and node_modules
of a folder are skipped, and so are binary files.`,
};

/** `qrhead index`: makes an index of many files, or brings it up to date. */
export function registerIndex(program: Command): void {
  const command = program.command("index").description("make or update an index of many files");
  command.argument("[files...]", "files, folders and patterns (default: those of the last update)");
  const file = { ...INPUTS.index, says: "the index, made if it does not exist", group: "Options" };
  const size = {
    ...INDEXING.chunkTokens,
    says: "tokens of a chunk, estimated without a model",
    group: "Options",
  };
  addOptions(command, [file, { ...size, shortDefault: "what the index has, else 200" }, OUTPUTS.json]);
  addHelp(addCommonOptions(command), HELP).action(update);
}

async function update(files: string[], _: unknown, command: Command): Promise<void> {
  const { index: file, chunkSize, json, quiet = false } = command.optsWithGlobals<IndexFlags>();
  if (file === undefined) throw new InputError("INVALID_ARGUMENT", "Expected an index: pass --index FILE");
  const signal = interruptSignal();
  const paths = files.length > 0 ? await expandAll(files) : undefined;
  const leftOut: LeftOutFile[] = [];
  const bar = await progressBar(quiet);
  try {
    await using index = await openIndex(file, { signal });
    const done = await index.update(paths, {
      ...{ chunkTokens: chunkSize, signal, onProgress: bar.onProgress },
      onLeftOut: (one) => leftOut.push(one),
    });
    bar.stop();
    warnOfLeftOut(leftOut);
    if (json) printJson({ index: index.file, paths: index.paths, files: index.files, ...done });
    else print(summary(file, index, done));
  } finally {
    bar.stop();
  }
}

function summary(file: string, { files }: ChunkIndex, { added, changed, removed, chunks }: IndexUpdate): string {
  const counts = Object.entries({ added, changed, removed }).flatMap(([what, n]) => (n > 0 ? `${n} ${what}` : []));
  const news = counts.length > 0 ? counts.join(", ") : "nothing has changed";
  return `${oneLine(file)}: ${counted(chunks, "chunk")} of ${counted(files, "file")} · ${news}`;
}
