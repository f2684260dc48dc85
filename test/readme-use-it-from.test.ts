// The README's section "Use it from": every snippet is compiled against the real packages and run.
import { execFile, spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RunningServer, startServer } from "../src/serve/server.ts";
import { command } from "./helpers/cli.ts";
import { until } from "./helpers/isolated.ts";
import { hasRedis, NEEDS_REDIS, startRedis } from "./helpers/redis.ts";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const [, section] = readFileSync(path.join(root, "README.md"), "utf8").split("\n## Use it from\n");
const blocks = [...section!.split("\n## ")[0]!.matchAll(/```(\w+)\n([\s\S]*?)```/g)];
const ofLanguage = (wanted: string) =>
  blocks.filter(([, language]) => language === wanted).map(([, , text]) => text as string);

/** What the snippets take as given. */
const VALUES = `
import { BaseRetriever } from "@langchain/core/retrievers";
import { Document } from "@langchain/core/documents";
import { TextNode } from "@llamaindex/core/schema";
export const query = "Where does the ferry leave?";
export const documents = ["Bread wants a hot oven.", "The ferry leaves from the east pier.", "Bananas are yellow."];
export const nodes = documents.map((text) => ({ node: new TextNode({ text }), score: 0 }));
class Given extends BaseRetriever {
  lc_namespace = ["given"];
  override async _getRelevantDocuments() {
    return documents.map((pageContent) => new Document({ pageContent }));
  }
}
export const baseRetriever = new Given();
`;
/** What is printed of each, by the package that it imports. */
const SHOWN: Readonly<Record<string, string>> = {
  "cohere-ai": "documents[results[0]!.index]",
  "qrhead/ai-sdk": "rerankedDocuments[0]",
  "qrhead/langchain": "(await better.invoke(query))[0]!.pageContent",
  "qrhead/llamaindex": "best[0]!.node.text",
  "qrhead/isolated": "results[0]!.document",
};
/** `qrhead` and its neighbours resolve from here to this repository. */
const folder = path.join(root, ".cache", `use-it-from-${process.pid}`);
const run = promisify(execFile);
const snippets = ofLanguage("ts").map((text) => {
  const names = Object.keys(SHOWN).filter((name) => text.includes(`"${name}"`));
  return { name: names[0] ?? text, text };
});
let server: RunningServer;

beforeAll(async () => {
  server = await startServer({ port: 0, inProcess: true, load: { gpu: false, threads: 1 } });
  mkdirSync(path.join(folder, "node_modules"), { recursive: true });
  mkdirSync(path.join(folder, "notes"));
  writeFileSync(path.join(folder, "notes", "ferry.md"), "The ferry leaves from the east pier.\n");
  writeFileSync(path.join(folder, "notes", "bread.md"), "Bread wants a hot oven.\n");
  symlinkSync(path.join(root, "node_modules", "ai-7"), path.join(folder, "node_modules", "ai"));
  writeFileSync(path.join(folder, "values.ts"), VALUES);
  for (const { name, text } of snippets) {
    const given = ["query", "documents", "nodes", "baseRetriever"].filter((one) =>
      `${text}${SHOWN[name]}`.includes(one),
    );
    const source = `import { ${given.join(", ")} } from "./values.ts";
${text.replace("http://127.0.0.1:8080", server.url)}
console.log(${SHOWN[name]});
process.exit(0);
`;
    writeFileSync(path.join(folder, fileOf(name)), source);
  }
});
afterAll(async () => {
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

const fileOf = (name: string) => `${name.replace(/\W/g, "-")}.ts`;

describe('the README\'s "Use it from"', () => {
  it("shows each once", () => {
    expect(snippets.map(({ name }) => name)).toEqual(Object.keys(SHOWN));
    expect(ofLanguage("json")).toHaveLength(1);
    expect(ofLanguage("sh")).toHaveLength(1);
  });

  it("compiles", { timeout: 240_000 }, async () => {
    const compilerOptions = {
      ...{ module: "nodenext", target: "es2022", lib: ["es2022", "esnext.disposable", "dom"], types: ["node"] },
      ...{ strict: true, noEmit: true, skipLibCheck: true, allowImportingTsExtensions: true },
    };
    writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
    const tsc = path.join(root, "node_modules", ".bin", "tsc");
    const { stdout } = await run(tsc, ["-p", folder]).catch(({ stdout }) => ({ stdout: String(stdout) }));
    expect(stdout).toBe("");
  });

  it.each(snippets)("runs with $name", { timeout: 240_000 }, async ({ name }) => {
    const { stdout } = await run(process.execPath, ["--import", "tsx", path.join(folder, fileOf(name))], { cwd: root });
    expect(stdout.trim()).toBe("The ferry leaves from the east pier.");
  });

  it("answers an assistant", { timeout: 240_000 }, async () => {
    const [{ command: npx, args }] = Object.values(JSON.parse(ofLanguage("json")[0]!).mcpServers) as [
      { command: string; args: string[] },
    ];
    expect([npx, args[0]]).toEqual(["npx", "qrhead"]);
    const client = new Client({ name: "test", version: "1" });
    await client.connect(
      new StdioClientTransport({ command: process.execPath, args: [...command, ...args.slice(1)], cwd: folder }),
    );
    const { content } = await client.callTool({ name: "rerank", arguments: { query: "Where does the ferry leave?" } });
    await client.close();
    expect((content as unknown as [{ text: string }])[0].text).toMatch(/^\S+ ferry\.md\n\S+ bread\.md$/);
  });

  it.skipIf(!hasRedis)(`asks workers${NEEDS_REDIS}`, { timeout: 240_000 }, async () => {
    const redis = await startRedis();
    const [worker, submit] = ofLanguage("sh")[0]!
      .trim()
      .split("\n")
      .map((line) =>
        line
          .replace(/\s+#.*/, "")
          .replace("redis://10.0.0.5", redis.url)
          .split(" ")
          .slice(1),
      ) as [string[], string[]];
    const docs = ["Bread wants a hot oven.", "The ferry leaves from the east pier."].map((text) => ({ text }));
    writeFileSync(
      path.join(folder, "queries.jsonl"),
      JSON.stringify({ id: "1", query: "Where does the ferry leave?", docs }),
    );
    const child = spawn(process.execPath, [...command, ...worker], { cwd: folder });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said += String(text)));
    try {
      await until(() => said.includes("ready"), 120_000);
      await run(process.execPath, [...command, ...submit], { cwd: folder });
      const { results } = JSON.parse(readFileSync(path.join(folder, "rankings.jsonl"), "utf8"));
      expect(results[0].index).toBe(1);
    } finally {
      child.kill("SIGKILL");
      await redis.remove();
    }
  });
});
