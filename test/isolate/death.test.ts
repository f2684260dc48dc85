// Whatever ends the process of the engine, and whenever: the running call fails, the next one works.
// QRHEAD_KILLS says how often it is ended (npm run test:kills has 200).
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DocumentInput, Progress, RankOptions } from "../../src/index.ts";
import type { IsolatedCorpus, IsolatedRetriever } from "../../src/isolate/index.ts";
import { enginesOf, isRunning, loadIsolated, until } from "../helpers/isolated.ts";

const KILLS = Number(process.env.QRHEAD_KILLS ?? 30);
const folder = mkdtempSync(path.join(os.tmpdir(), "qrhead-"));
const query = "Where is the tower?";
const documents = ["Bananas are yellow.", "The tower stands in Paris.", "word ".repeat(200)];
const saved = path.join(folder, "saved.corpus");

let retriever: IsolatedRetriever;
let kept: IsolatedCorpus;
let unsaved: IsolatedCorpus;
let expected: number[];
let expectedOfCorpus: number[];

/** More than one pass takes. */
const MANY = Array.from({ length: 40 }, (_, index) => `${query} ${index}`);

const scores = ({ results }: { results: { score: number }[] }) => results.map(({ score }) => score);

beforeAll(async () => {
  retriever = await loadIsolated("tiny-llama");
  expected = scores(await retriever.rank(query, documents));
  kept = await retriever.corpus(documents, { layout: "independent", saveTo: saved });
  unsaved = await retriever.corpus(documents, { layout: "independent" });
  expectedOfCorpus = scores(await kept.rank(query));
});
afterAll(async () => {
  await retriever.dispose();
  rmSync(folder, { recursive: true });
});

const kill = () => {
  if (retriever.pid !== undefined) process.kill(retriever.pid, "SIGKILL");
};

/** Ends the process once a call comes to a phase. */
const killIn = (phase: Progress["phase"]): Pick<RankOptions, "onProgress"> => ({
  onProgress: (progress) => {
    if (progress.phase === phase) kill();
  },
});

let seed = 1;
/** Differs from call to call and not from run to run, so that the texts are in no cache. */
const fresh = () => [...documents, `text ${seed++} ${"more ".repeat(100)}`];
/** Takes long enough to read that the process ends meanwhile. */
const many = () => Array.from({ length: 40 }, (_, index) => `text ${seed++} ${index} ${"more ".repeat(100)}`);

const died = { code: "ENGINE_DIED", name: "QRHeadError", message: expect.stringMatching(/ended \(SIGKILL\) during/) };

let deaths = 0;
/** On a busy machine a call may be done before its process hears the signal. */
const diesIn = async (call: Promise<unknown>) => {
  const outcome = await call.then(
    () => "done",
    (error: unknown) => error,
  );
  if (outcome === "done") return;
  deaths++;
  expect(outcome).toMatchObject(died);
};

/** What is running when the process ends. A call that had not begun may be done by the next process. */
const PHASES: Record<string, () => Promise<unknown>> = {
  prefill: () => diesIn(retriever.rank(query, fresh(), killIn("prefill"))),
  "null query and query": () => diesIn(retriever.rank(query, fresh(), killIn("null"))),
  "many queries": () =>
    expect(async () => {
      let answered = 0;
      for await (const _ of retriever.rankMany(MANY, fresh())) if (answered++ === 1) kill();
    }).rejects.toMatchObject(died),
  "pruning, while tokens are counted": () =>
    expect(retriever.prune(query, "One. Two.", { topK: 1, countTokens: kill as never })).rejects.toMatchObject(died),
  "writing a text": () =>
    expect(async () => {
      for await (const _ of retriever.generate([{ role: "user", content: `${query} ${seed++}` }])) kill();
    }).rejects.toMatchObject(died),
  inspecting: () => diesIn(retriever.inspect(query, many(), killIn("prefill"))),
  retrieving: () => diesIn(retriever.retrieve(query, fresh(), { chunkTokens: 16, ...killIn("null") })),
  "loading a corpus": () => diesIn(retriever.loadCorpus(saved, killIn("load")).then((corpus) => corpus.dispose())),
  "making a corpus": () =>
    expect(retriever.corpus(many(), { layout: "independent", ...killIn("prefill") })).rejects.toMatchObject(died),
  "saving a corpus": () =>
    expect(
      retriever.corpus(many(), { layout: "independent", saveTo: `${saved}.${seed}`, ...killIn("prefill") }),
    ).rejects.toMatchObject(died),
  "a corpus": () => diesIn(kept.rank(`${query} ${seed++}`, killIn("null"))),
  "a corpus without a file": () => diesIn(unsaved.rank(`${query} ${seed++}`, killIn("null"))),
  idle: async () => kill(),
  "idle, before anyone hears of it": async () => {
    kill();
    expect(scores(await retriever.rank(query, documents))).toEqual(expected);
  },
  load: async () => {
    kill();
    await until(() => retriever.pid === undefined);
    await until(() => enginesOf(process.pid).length === 1);
    for (const pid of enginesOf(process.pid)) process.kill(pid, "SIGKILL");
  },
  "any moment": async () => {
    const call = retriever.rank(query, fresh());
    call.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, seed % 40));
    kill();
    await call.catch((error: unknown) => expect(error).toMatchObject(died));
  },
};

describe.runIf(process.platform === "linux")("the process of the engine", () => {
  it(
    `may end ${KILLS} times, in every phase`,
    async () => {
      const phases = Object.entries(PHASES);
      const before = retriever.restarts;
      for (let i = 0; i < KILLS; i++) {
        const [name, end] = phases[i % phases.length]!;
        await end();
        expect(scores(await retriever.rank(query, documents)), `after its end in: ${name}`).toEqual(expected);
        expect(scores(await kept.rank(query)), `after its end in: ${name}`).toEqual(expectedOfCorpus);
        expect(scores(await unsaved.rank(query)), `after its end in: ${name}`).toEqual(expectedOfCorpus);
        expect(enginesOf(process.pid)).toHaveLength(1);
      }
      expect(deaths).toBeGreaterThan(0);
      expect(retriever.restarts - before).toBeGreaterThan(KILLS / 2);
    },
    20_000 + KILLS * 10_000,
  );

  it("is not given a call a third time that ended it twice", async () => {
    const texts = many();
    for (let i = 0; i < 2; i++) {
      await expect(retriever.rank(query, texts, killIn("prefill"))).rejects.toMatchObject(died);
    }
    await until(() => retriever.pid !== undefined);
    const { pid } = retriever;
    await expect(retriever.rank(query, texts)).rejects.toMatchObject({
      code: "ENGINE_DIED",
      advice: expect.stringContaining("twice"),
    });
    expect(retriever.pid).toBe(pid);
    expect(scores(await retriever.rank(query, documents))).toEqual(expected);
  });

  it("is not given documents of a corpus a third time that ended it twice, read for the first time or again", async () => {
    const texts = many();
    const make = (options: object = {}) => retriever.corpus(texts, { layout: "independent", ...options });
    for (let i = 0; i < 2; i++) {
      const saveTo = path.join(folder, `never-${i}.corpus`);
      await expect(make({ saveTo, ...killIn("prefill") })).rejects.toMatchObject(died);
    }
    await until(() => retriever.pid !== undefined);
    const { pid } = retriever;
    const refused = { code: "ENGINE_DIED", advice: expect.stringContaining("twice") };
    await expect(make()).rejects.toMatchObject(refused);
    expect(retriever.pid).toBe(pid);
    // One that was read before, and whose process has gone: any question reads it again.
    await using other = await retriever.corpus(many(), { layout: "independent" });
    kill();
    for (const question of ["a", "b"]) {
      await until(() => retriever.pid !== undefined);
      await expect(other.rank(question, killIn("prefill"))).rejects.toMatchObject(died);
    }
    await until(() => retriever.pid !== undefined);
    await expect(other.rank("c")).rejects.toMatchObject(refused);
    expect(scores(await retriever.rank(query, documents))).toEqual(expected);
  });

  it("is given again a call that ended it once and then was done", async () => {
    const texts = many();
    for (let i = 0; i < 3; i++) {
      await expect(retriever.rank(query, texts, killIn("prefill"))).rejects.toMatchObject(died);
      expect((await retriever.rank(query, texts)).results).toHaveLength(texts.length);
      // They are read again the next time.
      await retriever.rank(query, documents);
    }
  });

  it("does waiting calls in the next process", async () => {
    const running = retriever.rank(query, many(), killIn("prefill"));
    const waiting = [retriever.rank(query, documents), kept.rank(query)];
    await expect(running).rejects.toMatchObject(died);
    const [ranked, ofCorpus] = await Promise.all(waiting);
    expect(scores(ranked!)).toEqual(expected);
    expect(scores(ofCorpus!)).toEqual(expectedOfCorpus);
  });

  it("keeps what was added to and removed from a saved corpus", async () => {
    const file = path.join(folder, "changed.corpus");
    await using corpus = await retriever.corpus<DocumentInput>(documents, { layout: "independent", saveTo: file });
    await corpus.add([{ id: "new", text: "The tower is painted every seven years." }]);
    await corpus.remove(["0"]);
    const before = await corpus.rank(query);
    kill();
    await until(() => retriever.pid === undefined || !isRunning(retriever.pid));
    const after = await corpus.rank(query);
    expect(after.results.map(({ id, index }) => [id, index])).toEqual(
      before.results.map(({ id, index }) => [id, index]),
    );
    expect(corpus.documents.map(({ id }) => id)).toEqual(["1", "2", "new"]);
  });

  it("reads a corpus again whose file has gone or is damaged", async () => {
    const file = path.join(folder, "gone.corpus");
    await using corpus = await retriever.corpus(documents, { layout: "independent", saveTo: file });
    for (const damage of [() => writeFileSync(file, "no corpus"), () => rmSync(file)]) {
      damage();
      kill();
      await until(() => retriever.pid === undefined);
      expect(scores(await corpus.rank(query))).toEqual(expectedOfCorpus);
    }
  });

  it("knows other heads again, also of a retriever that is gone, and ends with the last of them", async () => {
    const first = await loadIsolated("tiny-llama");
    const second = first.withHeads("0-0");
    const third = second.withHeads("1-0");
    const corpus = await third.corpus(documents, { layout: "independent" });
    const ranked = scores(await second.rank(query, documents));
    const ofCorpus = scores(await corpus.rank(query));
    expect(ranked).not.toEqual(expected);
    const dying = second.rank(query, many(), { onProgress: () => process.kill(first.pid!, "SIGKILL") });
    await expect(dying).rejects.toMatchObject(died);
    expect(scores(await corpus.rank(query))).toEqual(ofCorpus);
    expect(scores(await second.rank(query, documents))).toEqual(ranked);
    expect(scores(await first.rank(query, documents))).toEqual(expected);
    const running = third.rank(query, documents);
    const waiting = expect(first.rank(query, documents)).rejects.toMatchObject({ code: "DISPOSED" });
    await first.dispose();
    await Promise.all([running, waiting]);
    const { pid } = second;
    process.kill(pid!, "SIGKILL");
    await until(() => second.pid !== pid);
    expect(scores(await second.rank(query, documents))).toEqual(ranked);
    await second.dispose();
    await expect(second.rank(query, documents)).rejects.toMatchObject({ code: "DISPOSED" });
    expect(scores(await corpus.rank(query))).toEqual(ofCorpus);
    const last = third.pid!;
    await third.dispose();
    expect(isRunning(last)).toBe(false);
    await expect(corpus.rank(query)).rejects.toMatchObject({ code: "DISPOSED" });
  });

  it("leaves nothing of a file that was being saved", async () => {
    const file = path.join(folder, "half.corpus");
    const making = retriever.corpus(many(), { layout: "independent", saveTo: file, ...killIn("prefill") });
    await expect(making).rejects.toMatchObject(died);
    await expect(retriever.loadCorpus(file)).rejects.toMatchObject({ name: "InputError" });
    await (await retriever.corpus(documents, { layout: "independent", saveTo: file })).dispose();
    await using corpus = await retriever.loadCorpus(file);
    expect(scores(await corpus.rank(query))).toEqual(expectedOfCorpus);
  });

  it("is ended where an aborted call does not stop", async () => {
    await using other = await loadIsolated("tiny-llama", { abortTimeout: 50 });
    const { pid } = other;
    const controller = new AbortController();
    const call = other.rank(query, fresh(), {
      signal: controller.signal,
      onProgress: () => {
        process.kill(pid!, "SIGSTOP");
        controller.abort();
      },
    });
    const reason = await call.catch((error: unknown) => error);
    expect(reason).toBe(controller.signal.reason);
    expect(scores(await other.rank(query, documents))).toEqual(expected);
    expect(other.pid).not.toBe(pid);
  });

  it("rejects loading when it ends meanwhile", async () => {
    const others = enginesOf(process.pid);
    const loading = loadIsolated("tiny-llama");
    loading.catch(() => {});
    await until(() => enginesOf(process.pid).length > others.length);
    for (const pid of enginesOf(process.pid)) if (!others.includes(pid)) process.kill(pid, "SIGKILL");
    await expect(loading).rejects.toMatchObject({
      code: "ENGINE_DIED",
      message: expect.stringMatching(/SIGKILL\) during load/),
    });
  });
});
