// What files may be: encodings, pipes, and what never ends.
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";
import { expectFailure, run, temporaryFolder } from "../helpers/cli.ts";

const files = temporaryFolder();
const docs = files.write("docs.txt", "The sky is blue at noon.\nHoney is made by bees from nectar.\n");
const RERANK = ["rerank", "--threads", "1", "--json"];
afterAll(() => files.remove());

describe.concurrent("a query file", () => {
  it("is read in UTF-16 with its mark, and refused in other encodings", async () => {
    const query = "Who makes honey?";
    const utf16 = files.write("utf16.txt", Buffer.from(`\uFEFF${query}\r\n`, "utf16le"));
    const unmarked = files.write("unmarked.txt", Buffer.from(query, "utf16le"));
    const latin1 = files.write("latin1.txt", Buffer.from("first\nWer öffnet?", "latin1"));
    const [read, ...refused] = await Promise.all(
      [utf16, unmarked, latin1].map((file) => run([...RERANK, "--query-file", file, "--docs", docs])),
    );
    expect(JSON.parse(read!.stdout)).toMatchObject({ query, results: [{ index: 1 }, { index: 0 }] });
    expectFailure(refused[0]!, 2, "unmarked.txt", "UTF-16 without a byte order mark");
    expectFailure(refused[1]!, 2, "latin1.txt, line 2", "UTF-8");
  }, 60_000);
});

describe.skipIf(process.platform === "win32")("what never ends", () => {
  it("is an error from a bound on", async () => {
    expectFailure(await run([...RERANK, "--query", "a", "--docs", "/dev/zero"]), 2, "/dev/zero", "256 MiB");
  }, 60_000);

  it("hears one interrupt while a pipe stays silent", async () => {
    const pipe = files.path("pipe");
    execFileSync("mkfifo", [pipe]);
    const ranked = run([...RERANK, "--query", "a", "--docs", pipe], {
      onSpawn: (child) => void whenRead(pipe).then(() => child.kill("SIGINT")),
    });
    const { code, stderr } = await ranked;
    expect([code, stderr]).toEqual([130, "qrhead: interrupted\n"]);
  }, 60_000);

  it("waits for a writer that comes later", async () => {
    const pipe = files.path("later");
    execFileSync("mkfifo", [pipe]);
    const ranked = run([...RERANK, "--query", "Who makes honey?", "--docs", pipe]);
    const writer = await whenRead(pipe);
    await sleep(100);
    writeSync(writer, readFileSync(docs));
    closeSync(writer);
    expect(JSON.parse((await ranked).stdout).results).toHaveLength(2);
  }, 60_000);
});

/** Opens a pipe for writing as soon as somebody reads it: until then the system refuses. */
async function whenRead(pipe: string): Promise<number> {
  for (;;) {
    try {
      return openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch {
      await sleep(20);
    }
  }
}
