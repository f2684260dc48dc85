// The tools with the official client, over standard input and output.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Roots } from "../../src/mcp/roots.ts";
import { packageRoot } from "../../src/native/addon.ts";
import { expectFailure, run } from "../helpers/cli.ts";
import { canLink } from "../helpers/links.ts";

const folder = mkdtempSync(path.join(os.tmpdir(), "qrhead-"));
const root = path.join(folder, "root");
const query = "Where is the Eiffel Tower?";
let client: Client;

beforeAll(async () => {
  mkdirSync(path.join(root, "deep"), { recursive: true });
  writeFileSync(path.join(root, "fruit.md"), "# Fruit\n\nBananas are yellow when they are ripe.\n");
  writeFileSync(
    path.join(root, "deep", "paris.md"),
    "# Paris\n\nBread is baked every morning.\n\nThe Eiffel Tower stands in Paris, near the Seine.\n",
  );
  writeFileSync(path.join(folder, "secret.md"), "The Eiffel Tower secret.");
  if (canLink) symlinkSync(path.join(folder, "secret.md"), path.join(root, "link.md"));
  client = await connect(root);
});
afterAll(async () => {
  await client.close();
  rmSync(folder, { recursive: true });
});

async function connect(...roots: string[]): Promise<Client> {
  const made = new Client({ name: "test", version: "1" });
  const main = path.join(packageRoot, "dist", "cli", "main.js");
  const args = [main, "mcp", ...roots.flatMap((one) => ["--root", one]), "--gpu", "false", "--threads", "1"];
  await made.connect(
    new StdioClientTransport({ command: process.execPath, args, env: { ...process.env } as Record<string, string> }),
  );
  return made;
}

async function call(name: string, args: object, options = {}, asked = client) {
  const result = await asked.callTool({ name, arguments: args as Record<string, unknown> }, options);
  const [{ text }] = result.content as unknown as [{ text: string }];
  return { text, isError: result.isError === true };
}

describe("qrhead mcp", () => {
  it("describes its tools, which read only", async () => {
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name).sort()).toEqual(["ask", "prune", "rerank", "retrieve"]);
    for (const { inputSchema, annotations } of tools) {
      expect(inputSchema.required).toContain("query");
      expect(annotations?.readOnlyHint).toBe(true);
    }
  });

  it("ranks files, and says how far it is", async () => {
    const steps: number[] = [];
    const onprogress = ({ progress }: { progress: number }) => void steps.push(progress);
    const { text } = await call("rerank", { query }, { onprogress });
    expect(text.split("\n").map((line) => line.split(" ")[1])).toEqual(["deep/paris.md", "fruit.md"]);
    // The last ones may come after the answer, when nobody listens any more.
    expect(steps.length).toBeGreaterThan(0);
    expect(steps).toEqual([...new Set(steps)].sort((a, b) => a - b));
  });

  it("ranks files that are longer than the context by their best passage", async () => {
    const long = path.join(folder, "long");
    mkdirSync(long);
    const filler = "The harbour was dredged in spring and the cranes were painted. ".repeat(700);
    writeFileSync(path.join(long, "port.md"), `${filler}\n\nThe Eiffel Tower stands in Paris.\n`);
    writeFileSync(path.join(long, "fruit.md"), "Bananas are yellow when they are ripe.");
    const asked = await connect(long);
    const { text, isError } = await call("rerank", { query }, {}, asked);
    await asked.close();
    expect({ isError, files: text.split("\n").map((line) => line.split(" ")[1]) }).toEqual({
      ...{ isError: false, files: ["port.md", "fruit.md"] },
    });
  });

  it("retrieves passages with file and line, and prunes a file", async () => {
    const retrieved = await call("retrieve", { query, paths: ["deep"], budget_tokens: 60 });
    expect(retrieved.text).toMatch(/\[1\] deep\/paris\.md:\d/);
    expect(retrieved.text).toContain("The Eiffel Tower stands in Paris");
    const none = await call("retrieve", { query, paths: ["deep"], threshold: 1 });
    expect(none.text).toBe("Nothing relevant was found.");
    const pruned = await call("prune", { query, path: path.join(root, "deep", "paris.md"), budget_tokens: 24 });
    expect(pruned.text).toContain("Eiffel Tower stands");
    expect(pruned.text).not.toContain("Bread");
  });

  it("says what is wrong with a request by the names of its fields", async () => {
    const said = async (name: string, args: object) => {
      const { text, isError } = await call(name, args).catch((error: Error) => ({
        text: error.message,
        isError: true,
      }));
      expect(isError).toBe(true);
      return text;
    };
    expect(await said("retrieve", { query, budget_tokens: 0 })).toMatch(/budget_tokens: must be at least 1$/);
    expect(await said("retrieve", { query: " " })).toMatch(/query: must not be blank$/);
    expect(await said("rerank", {})).toMatch(/query: must be provided$/);
    expect(await said("retrieve", { query, threshold: "high" })).toMatch(/threshold: must be a number$/);
    // No tool takes a size of chunks.
    expect(await said("retrieve", { query, budget_tokens: 1 })).toMatch(
      /the budget is 1: use a larger "budget_tokens"$/,
    );
  });

  it("reads nothing outside its roots, whichever way it is asked", async () => {
    for (const outside of [
      "../secret.md",
      path.join(folder, "secret.md"),
      "link.md",
      "/etc/passwd",
      "deep/../../secret.md",
    ]) {
      const { text, isError } = await call("rerank", { query, paths: [outside] });
      expect(isError).toBe(true);
      expect(text).toContain("in the served folders");
      expect(text).not.toContain("secret.\n");
    }
    expect((await call("rerank", { query })).text).not.toContain("link.md");
  });

  it("serves several roots, and names a file so that it finds it again", async () => {
    const [first, second] = ["first", "second"].map((name) => path.join(folder, name)) as [string, string];
    for (const [file, text] of [
      [path.join(first, "deep", "a.md"), "Bread is baked every morning."],
      [path.join(second, "deep", "a.md"), "The Eiffel Tower stands in Paris."],
      [path.join(second, "b.md"), "Bananas are yellow."],
    ] as const) {
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    // Reading it would never end.
    if (process.platform !== "win32") execFileSync("mkfifo", [path.join(second, "pipe")]);
    const several = await connect(first, second, path.join(second, "deep"));
    const named = async (paths?: string[]) => {
      const { text } = await call("rerank", { query, ...(paths && { paths }) }, {}, several);
      return text.split("\n").map((line) => line.split(" ").at(-1));
    };
    const twin = path.join(second, "deep", "a.md");
    const all = await named();
    expect(all.toSorted()).toEqual([twin, "b.md", "deep/a.md"].toSorted());
    expect(all[0]).toBe(twin);
    for (const name of all) expect(await named([name!])).toEqual([name]);
    expect(await named(["b.md", "./b.md", "b.md"])).toEqual(["b.md"]);
    expect(await call("rerank", { query, paths: ["pipe"] }, {}, several)).toMatchObject({ isError: true });
    await several.close();
  });

  it.runIf(canLink)("reads a file once that has links, and calls it by its own name", async () => {
    const linked = path.join(folder, "linked");
    mkdirSync(linked);
    writeFileSync(path.join(linked, "b.md"), "Bread is baked.");
    writeFileSync(path.join(linked, "c.jsonl"), '{"id": "x", "text": "one"}\n{"id": "y", "text": "two"}\n');
    for (const [to, link] of [
      ["b.md", "a.md"],
      ["b.md", "z.md"],
      ["c.jsonl", "d.jsonl"],
    ] as const) {
      symlinkSync(path.join(linked, to), path.join(linked, link));
    }
    const roots = await Roots.open([linked]);
    const read = async (paths?: string[]) =>
      (await roots.read(paths, new AbortController().signal)).map(({ id }) => id).toSorted();
    expect(await read()).toEqual(["b.md", "c.jsonl:x", "c.jsonl:y"]);
    expect(await read(["a.md", "b.md"])).toEqual(["b.md"]);
  });

  it("says what is wrong, so that the assistant can mend it", async () => {
    expect(await call("ask", { query })).toEqual({ isError: true, text: expect.stringContaining("--generator") });
    expect((await call("rerank", { query: " " })).isError).toBe(true);
    expect((await call("prune", { query, path: "none.md" })).text).toContain("There is no");
  });

  it("stops a call that is cancelled, and goes on", async () => {
    const big = "word ".repeat(40_000);
    writeFileSync(path.join(root, "big.txt"), big);
    const controller = new AbortController();
    const calling = client.callTool(
      { name: "prune", arguments: { query, path: "big.txt" } },
      { signal: controller.signal },
    );
    setTimeout(() => controller.abort(new Error("enough")), 300);
    await expect(calling).rejects.toThrow();
    expect((await call("rerank", { query, paths: ["fruit.md"] })).text).toContain("fruit.md");
  });

  it("says what is missing on the command line", async () => {
    const [none, nowhere] = await Promise.all([run(["mcp"]), run(["mcp", "--root", path.join(folder, "nowhere")])]);
    expectFailure(none, 2, "--root");
    expectFailure(nowhere, 2, "nowhere does not exist");
  });
});
