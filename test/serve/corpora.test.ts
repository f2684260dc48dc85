// Several servers that store corpora in one folder at once, and servers that end meanwhile. The engine is one that keeps texts.
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { CorpusStore } from "../../src/serve/corpora.ts";
import { type Engine, type EngineCorpus, type Models, ServedModel } from "../../src/serve/models.ts";
import { Queue } from "../../src/serve/queue.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "qrhead-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A server's store. @param saved Told when the file is written, before the engine answers. */
function server(saved: () => Promise<void> | void = () => {}) {
  const corpusOf = (texts: string[]) => ({ texts, dispose: async () => {} }) as unknown as EngineCorpus;
  const engine = {
    corpus: async (documents: { text: string }[], { saveTo }: { saveTo: string }) => {
      const texts = documents.map(({ text }) => text);
      writeFileSync(saveTo, JSON.stringify(texts));
      await saved();
      return corpusOf(texts);
    },
    loadCorpus: async (file: string) => corpusOf(JSON.parse(readFileSync(file, "utf8"))),
  } as unknown as Engine;
  const model = new ServedModel("m", "m.gguf", new Queue(9), async () => engine);
  const store = new CorpusStore(folder, { list: [model] } as unknown as Models);
  return {
    store,
    put: (...texts: string[]) => {
      const documents = texts.map((text, index) => ({ id: String(index), text }));
      return store.put("notes", model, async () => documents, new AbortController().signal);
    },
    ask: async () => ((await store.open("notes", model)) as unknown as { texts: string[] }).texts,
  };
}

it("answers the same from every server when two store one corpus at once", async () => {
  let go = () => {};
  const held = new Promise<void>((resolve) => {
    go = resolve;
  });
  const slow = server(() => held);
  const fast = server();
  const storing = slow.put("slow", "two");
  await expect.poll(() => readdirSync(folder).length).toBeGreaterThan(0);
  await fast.put("fast");
  expect(await fast.ask()).toEqual(["fast"]);
  go();
  await storing;
  const fresh = server();
  expect([await slow.ask(), await fast.ask(), await fresh.ask()]).toEqual(Array(3).fill(["slow", "two"]));
  expect(await fresh.store.describe("notes")).toMatchObject({ documents: 2 });
});

it("has one version, and no other file, after many servers stored and read it at once", async () => {
  const servers = Array.from({ length: 4 }, () => server());
  const one = servers[0]!;
  await one.put("first");
  const reading = Promise.all(Array.from({ length: 40 }, () => server().ask()));
  await Promise.all(servers.map(({ put }, index) => put(String(index))));
  for (const texts of await reading) expect(texts).toHaveLength(1);
  const answers = await Promise.all([...servers, server()].map(({ ask }) => ask()));
  expect(new Set(answers.map(String)).size).toBe(1);
  expect(readdirSync(folder)).toHaveLength(2);
  await one.store.remove("notes");
  expect(readdirSync(folder)).toEqual([]);
});

it("keeps what was stored where a server ends while it stores, and removes what it left after a day", async () => {
  await server().put("before");
  const ended = server(() => {
    throw new Error("ended");
  });
  await expect(ended.put("half", "of it")).rejects.toThrow("ended");
  expect([await ended.ask(), await server().ask()]).toEqual([["before"], ["before"]]);
  expect(await server().store.list()).toMatchObject([{ name: "notes", documents: 1 }]);
  const dayBefore = Date.now() / 1000 - 2 * 24 * 3600;
  for (const file of readdirSync(folder)) utimesSync(path.join(folder, file), dayBefore, dayBefore);
  await server().put("after");
  expect(await server().ask()).toEqual(["after"]);
  expect(readdirSync(folder)).toHaveLength(2);
});
