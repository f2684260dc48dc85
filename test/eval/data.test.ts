import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { makeHaystack } from "../../src/eval/data/niah.ts";
import { Notes } from "../../src/eval/data/notes.ts";
import { openTask } from "../../src/eval/data/open.ts";
import { readQrels } from "../../src/eval/data/qrels.ts";
import { readJson } from "../../src/eval/data/records.ts";
import { formatTrecRun, readTrecRun } from "../../src/eval/data/trec-run.ts";
import { seededRandom } from "../../src/heads/heads.ts";
import { temporaryFolder } from "../helpers/cli.ts";

const files = temporaryFolder();
afterAll(files.remove);

const lines = (...values: unknown[]) =>
  values.map((value) => (typeof value === "string" ? value : JSON.stringify(value))).join("\n");
const CORPUS = lines(
  { _id: "d1", title: "Ferry", text: "The ferry crosses the fjord every morning." },
  { _id: "d2", title: "", text: "Bread rises in a warm kitchen." },
  { _id: "d3", text: "A ferry needs a captain." },
);
const QUERIES = lines(
  { _id: "q1", text: "ferry captain" },
  { _id: "q2", text: "bread" },
  { _id: "q3", text: "unjudged" },
);
const QRELS = "query-id\tcorpus-id\tscore\nq1\td3\t2\nq1\td1\t1\nq2\td2\t1\nq4\td1\t1\nq1\tgone\t1\n";

function beir(
  name: string,
  given: { corpus?: string | Uint8Array; queries?: string; qrels?: string; packed?: boolean } = {},
) {
  mkdirSync(files.path(name), { recursive: true });
  const corpus = given.corpus ?? CORPUS;
  if (given.packed) files.write(`${name}/corpus.jsonl.gz`, gzipSync(corpus));
  else files.write(`${name}/corpus.jsonl`, corpus);
  files.write(`${name}/queries.jsonl`, given.queries ?? QUERIES);
  files.write(`${name}/qrels.tsv`, given.qrels ?? QRELS);
  return files.path(name);
}

describe("BEIR", () => {
  it.each([false, true])("reads a folder and says what it left out (packed: %s)", async (packed) => {
    await using task = await openTask(beir(`beir-${packed}`, { packed }), { depth: 10 });
    expect(task.topics.map(({ id }) => id)).toEqual(["q1", "q2"]);
    expect(task.documents).toBe(3);
    const { documents, scores, bm25 } = await task.candidates(task.topics[0]!);
    expect(documents).toEqual([
      { id: "d3", text: "A ferry needs a captain." },
      { id: "d1", title: "Ferry", text: "The ferry crosses the fjord every morning." },
    ]);
    expect(await bm25()).toEqual(scores);
    const dropped = Object.fromEntries(task.dropped.map(({ reason, count }) => [reason, count]));
    expect(dropped).toEqual({
      "judged queries that the queries file lacks": 1,
      "judgements of documents that the corpus lacks, which count as not found": 1,
      "queries without judgements": 1,
    });
    // As trec_eval counts: what cannot be found is missed, not forgotten.
    expect(task.topics[0]!.grades.get("gone")).toBe(1);
  });

  it("takes a byte order mark, mixed line ends and a second document of one id, and says so", async () => {
    const corpus = `\ufeff${CORPUS.replace("\n", "\r\n")}\n\n${JSON.stringify({ _id: "d2", text: "Other." })}`;
    await using task = await openTask(beir("odd", { corpus }), { depth: 10 });
    expect(task.documents).toBe(3);
    expect((await task.candidates(task.topics[1]!)).documents[0]!.text).toBe("Bread rises in a warm kitchen.");
    const reasons = task.dropped.map(({ reason }) => reason);
    expect(reasons).toContain("files with mixed line ends, read all the same");
    expect(reasons).toContain("documents whose id another one has, the first kept");
  });

  it("has an empty list of candidates where no word is known", async () => {
    const queries = lines({ _id: "q1", text: "zebra" }, { _id: "q2", text: "bread" });
    await using task = await openTask(beir("empty", { queries }), { depth: 10 });
    expect((await task.candidates(task.topics[0]!)).documents).toEqual([]);
  });

  it.each([
    ["corpus", { corpus: `${CORPUS}\n{"_id": "d4", "text": ` }, /corpus\.jsonl, line 4 is not valid JSON/],
    ["no id", { corpus: lines({ text: "x" }) }, /line 1.*has no "_id"/],
    ["no text", { corpus: lines({ _id: "x" }) }, /line 1.*has no "text"/],
    [
      "latin1",
      {
        corpus: Buffer.concat([Buffer.from(`${CORPUS}\n{"_id":"d9","text":"`), Buffer.from([0xe9]), Buffer.from('"}')]),
      },
      /line 4 is not valid UTF-8/,
    ],
    ["queries", { queries: lines({ _id: "q1" }) }, /queries\.jsonl, line 1 has no "text"/],
    ["columns", { qrels: "q1 d1\n" }, /qrels\.tsv, line 1 has 2 columns/],
    ["grade", { qrels: "q1\td1\t1\nq1\td2\thigh\n" }, /line 2 has the grade "high"/],
    ["grade of the first line, which is no heading", { qrels: "q1\td1\thigh\n" }, /line 1 has the grade "high"/],
    [
      "packed corpus",
      { corpus: lines({ _id: "x", text: 5 }), packed: true },
      /packed corpus.corpus\.jsonl\.gz, line 1 has a/,
    ],
    [
      "contradiction",
      { qrels: "q1\td1\t1\nq1\td1\t2\n" },
      /line 2 grades d1 for query q1 with 2, and an earlier line with 1/,
    ],
    ["nothing to measure", { qrels: "q1\td1\t0\n" }, /no query that can be measured/],
  ])("names the mistake: %s", async (name, given, message) => {
    await expect(openTask(beir(`wrong-${name}`, given), { depth: 10 })).rejects.toThrow(message);
  });

  it("takes candidates and their order from a TREC run", async () => {
    const run = files.write("given.trec", "q1 Q0 d1 1 9.5 mine\nq1 Q0 d3 2 9.5 mine\nq1 Q0 nowhere 3 1 mine\n");
    await using task = await openTask(beir("run"), { depth: 10, run });
    expect(task.firstStage).toBe("run");
    expect(task.topics.map(({ id }) => id)).toEqual(["q1"]);
    expect((await task.candidates(task.topics[0]!)).documents.map(({ id }) => id)).toEqual(["d3", "d1"]);
    expect(task.dropped).toContainEqual({
      ...{ reason: "documents of the run that the corpus lacks", count: 1, examples: ["q1 nowhere"] },
    });
  });

  it("reads corpus and queries of tab-separated lines too, and names a broken one", async () => {
    const folder = files.path("tsv");
    mkdirSync(folder, { recursive: true });
    files.write("tsv/corpus.tsv.gz", gzipSync("pid\ttitle\ttext\r\nd1\tFerry\tThe ferry.\r\nd2\tBread.\r\n"));
    files.write("tsv/queries.tsv", "q1\tferry\nq2\t \n");
    files.write("tsv/qrels.tsv", "q1\td1\t1\nq2\td2\t1\n");
    await using task = await openTask(folder, { depth: 10 });
    const { documents } = await task.candidates(task.topics[0]!);
    expect(documents).toEqual([{ id: "d1", title: "Ferry", text: "The ferry." }]);
    expect(task.documents).toBe(2);
    expect(task.dropped).toMatchObject([{ reason: "queries that are blank", count: 1, examples: ["q2"] }]);
    files.write("tsv/queries.tsv", "q1\tferry\nq2\n");
    await expect(openTask(folder, { depth: 10 })).rejects.toThrow(/queries\.tsv, line 2 has 1 columns/);
  });
});

describe("records", () => {
  it("streams the elements of one array as it streams lines", async () => {
    const values = [{ a: 'with ] , } and \\" inside "' }, [1, [2]], "text, too", 5, null];
    const file = files.write(
      "array.json",
      ` [ ${values.map((value) => JSON.stringify(value, null, 1)).join(" ,\n")} ] `,
    );
    const found: unknown[] = [];
    for await (const { value } of readJson(file)) found.push(value);
    expect(found).toEqual(values);
    const cut = readJson(files.write("cut.json", `[{"a": 1}, {"b"`));
    await cut.next();
    await expect(cut.next()).rejects.toThrow(/does not end after element 1/);
  });

  it("reads what it writes of a TREC run, and refuses a line of another shape", async () => {
    const text = formatTrecRun("q", ["a", "b", "c"], [0.25, 0.10000000149011612, 0.25], "me");
    const { name, rankings } = await readTrecRun(files.write("own.trec", text), new Notes());
    expect(name).toBe("me");
    expect(rankings.get("q")).toEqual({ ids: ["c", "a", "b"], scores: [0.25, 0.25, 0.10000000149011612] });
    await expect(readTrecRun(files.write("bad.trec", "q Q0 a 1 x me"), new Notes())).rejects.toThrow(
      /line 1 has the score "x"/,
    );
    await expect(readTrecRun(files.write("twice.trec", "q Q0 a 1 2 me\nq Q0 a 2 1 me"), new Notes())).rejects.toThrow(
      /line 2 has a a second time/,
    );
  });

  it("reads scores in single precision as trec_eval does, and writes ids that its columns can hold", async () => {
    const close = files.write("close.trec", "q Q0 a 1 0.30000000001 me\nq Q0 b 2 0.3 me\n");
    expect((await readTrecRun(close, new Notes())).rankings.get("q")!.ids).toEqual(["b", "a"]);
    const line = formatTrecRun("q 1", ["a\tb c%"], [1], "me");
    expect(line.split(/\s/)).toEqual(["q%201", "Q0", "a%09b%20c%", "1", "1", "me"]);
  });

  it("reads TREC judgements", async () => {
    const qrels = await readQrels(files.write("trec.qrels", "q 0 a 1\r\nq 0 b 0\r\n"), new Notes());
    expect(qrels.get("q")).toEqual(
      new Map([
        ["a", 1],
        ["b", 0],
      ]),
    );
  });
});

describe("formats that bring documents", () => {
  const docs = [
    { id: "x", title: "T", text: "one ferry" },
    { id: "y", text: "two breads" },
  ];

  it("reads pools, and QRHead's own files", async () => {
    const file = files.write(
      "pools.jsonl",
      lines(
        { id: "1", query: "breads", docs, gold: ["y"] },
        { id: "2", query: "nothing", docs: [], gold: ["y"] },
        { id: "3", query: "none", docs, gold: [] },
        { idx: 4, question: "ferry?", paragraphs: [{ idx: 7, title: "", paragraph_text: "a ferry" }], gt_docs: [7] },
      ),
    );
    await using task = await openTask(file, { depth: 0 });
    expect(task.topics.map(({ id }) => id)).toEqual(["1", "4"]);
    expect(task.dropped.map(({ reason }) => reason)).toContain("queries without a relevant document");
    const given = await task.candidates(task.topics[0]!);
    expect(given.documents.map(({ id }) => id)).toEqual(["x", "y"]);
    expect((await task.candidates(task.topics[1]!)).documents).toEqual([{ id: "7", title: "", text: "a ferry" }]);
    await using cut = await openTask(file, { depth: 1 });
    expect((await cut.candidates(cut.topics[0]!)).documents.map(({ id }) => id)).toEqual(["y"]);
  });

  it("reads pools whose documents are called so", async () => {
    const file = files.write("named.jsonl", lines({ id: "1", query: "breads", documents: docs, gold: ["y"] }));
    await using task = await openTask(file, { depth: 0 });
    expect((await task.candidates(task.topics[0]!)).documents.map(({ id }) => id)).toEqual(["x", "y"]);
  });

  it("reads ICR's files, whose paragraphs say themselves whether they are relevant", async () => {
    const paragraph = (idx: number, is_supporting: boolean) => ({
      idx,
      title: "T",
      paragraph_text: "a",
      is_supporting,
    });
    const questions = [
      { idx: 1, question: "ferry?", num_gold_docs: 2, paragraphs: [1, 2, 3].map((id) => paragraph(id, id > 1)) },
      { idx: 2, question: "none?", num_gold_docs: 0, paragraphs: [paragraph(1, false)] },
    ];
    await using task = await openTask(files.write("icr.json", JSON.stringify(questions)), { depth: 0 });
    expect(task.topics.map(({ id, grades }) => [id, [...grades.keys()]])).toEqual([["1", ["2", "3"]]]);
  });

  it("reads LongMemEval by round, by session and by turn", async () => {
    const said = (role: string, content: string, has_answer = false) => ({
      role,
      content,
      ...(has_answer && { has_answer }),
    });
    const question = {
      question_id: "q",
      question: "Which boat?",
      question_type: "single",
      haystack_dates: ["2024"],
      haystack_session_ids: ["s"],
      answer_session_ids: ["s"],
      haystack_sessions: [
        [said("user", "hi"), said("assistant", "hello"), said("user", "a ferry", true), said("assistant", "ok")],
      ],
    };
    const file = files.write("lme.json", JSON.stringify([question, { ...question, question_id: "q_abs" }]));
    const ids = async (granularity: "round" | "session" | "turn") => {
      await using task = await openTask(file, { depth: 0, granularity });
      expect(task.dropped).toMatchObject([{ reason: "questions that cannot be answered", count: 1 }]);
      return [(await task.candidates(task.topics[0]!)).documents.length, [...task.topics[0]!.grades.keys()]];
    };
    expect(await ids("round")).toEqual([2, ["0:s:1"]]);
    expect(await ids("session")).toEqual([1, ["0:s"]]);
    expect(await ids("turn")).toEqual([4, ["0:s:2"]]);
  });

  it("reads LoCoMo as published, without adversarial questions", async () => {
    const conversation = {
      session_1_date_time: "May",
      session_1: [
        { speaker: "A", dia_id: "D1:1", text: "hi" },
        { speaker: "B", dia_id: "D1:2", text: "a boat" },
      ],
    };
    const qa = [
      { question: "What?", answer: "boat", evidence: ["D1:2"], category: 1 },
      { question: "No?", evidence: ["D1:1"], category: 5 },
    ];
    const file = files.write("locomo10.json", JSON.stringify([{ sample_id: "c", conversation, qa }]));
    await using turns = await openTask(file, { depth: 0 });
    expect(turns.topics).toMatchObject([{ id: "c:0", query: "What?", answer: "boat" }]);
    expect((await turns.candidates(turns.topics[0]!)).documents[1]).toEqual({
      id: "D1:2",
      title: "May",
      text: "B: a boat",
    });
    await using sessions = await openTask(file, { depth: 0, granularity: "session" });
    expect([...sessions.topics[0]!.grades.keys()]).toEqual(["S1"]);
  });

  it("reads CLIPPER's claims and chapters", async () => {
    mkdirSync(files.path("clipper/books"), { recursive: true });
    files.write(
      "clipper/claims.jsonl",
      lines({ id: "b:0", book: "b", query: "It rains.", corrupted: "It snows.", gold: [2] }),
    );
    files.write(
      "clipper/books/b.json",
      JSON.stringify({
        chapters: [
          { id: 1, text: "Sun." },
          { id: 2, text: "Rain." },
        ],
      }),
    );
    await using task = await openTask(files.path("clipper"), { depth: 0 });
    expect(task.topics).toMatchObject([{ id: "b:0", corrupted: "It snows." }]);
    expect((await task.candidates(task.topics[0]!)).documents.map(({ id }) => id)).toEqual(["1", "2"]);
    files.write("clipper/books/b.json", "{");
    await expect(openTask(files.path("clipper"), { depth: 0 })).rejects.toThrow(/b\.json is not valid JSON/);
  });

  it("puts a needle where it should stand, and knows its passage", () => {
    const sentences = Array.from({ length: 50 }, (_, i) => `Sentence number ${i} has six words.`);
    for (const [depth, place] of [
      [0, 0],
      [0.5, 4],
      [1, 9],
    ] as const) {
      const { documents, found } = makeHaystack(sentences, "THE NEEDLE.", 300, depth, 30);
      expect(documents.find(({ id }) => id === found)!.text).toContain("THE NEEDLE.");
      expect(Math.abs(Number(found) - place)).toBeLessThanOrEqual(1);
      expect(documents.filter(({ text }) => text.includes("NEEDLE"))).toHaveLength(1);
    }
  });

  it("says which formats there are when the data look like none", async () => {
    await expect(openTask(files.write("odd.json", '{"a": 1}'), { depth: 0 })).rejects.toThrow(
      /no recognised format \(queries with their documents have "query", "docs" and "gold"\).*--format/,
    );
    await expect(openTask(files.path("absent"), { depth: 0 })).rejects.toThrow(/does not exist/);
  });
});

describe("a packed file", () => {
  it("is read again where its records are, over many blocks", async () => {
    const random = seededRandom(3);
    const noise = () => Array.from({ length: 300 }, () => Math.floor(random() * 1e9).toString(36)).join(" ");
    const pools = Array.from({ length: 500 }, (_, i) => ({
      ...{ id: `q${i}`, query: "Where?", gold: ["a"] },
      docs: [
        { id: "a", text: `${i} ${noise()}` },
        { id: "b", text: "ä" },
      ],
    }));
    const packed = files.write("many.jsonl.gz", gzipSync(pools.map((pool) => JSON.stringify(pool)).join("\n")));
    await using task = await openTask(packed, { depth: 0 });
    for (const i of [499, 0, 250, 251, 17]) {
      const { documents } = await task.candidates(task.topics[i]!);
      expect(documents).toEqual(pools[i]!.docs);
    }
  });

  it("that unpacks to far more than its size is an error", async () => {
    const bomb = files.write("bomb.jsonl.gz", gzipSync(Buffer.alloc(100 * 2 ** 20, "a"), { level: 9 }));
    await expect(openTask(bomb, { depth: 0, format: "pools" })).rejects.toThrow(/more than 200 times its size/);
  });
});

it.each([
  ["latin1", Buffer.from("1 0 caf\xe9 1\n", "latin1")],
  ["UTF-16 with a mark", Buffer.from("\ufeff1 0 a 1\n", "utf16le")],
  ["UTF-16", Buffer.from("1 0 a 1\n", "utf16le")],
])("judgements, runs and essays in %s are refused", async (_, bytes) => {
  const file = files.write("encoded.txt", bytes);
  const folder = files.path("essays-encoded");
  mkdirSync(path.join(folder, "essays"), { recursive: true });
  writeFileSync(path.join(folder, "needles.jsonl"), '{"question": "q?", "needle": "n."}');
  writeFileSync(path.join(folder, "essays", "one.txt"), bytes);
  const reads = [
    () => readQrels(file, new Notes()),
    () => readTrecRun(file, new Notes()),
    () => openTask(folder, { depth: 0, format: "niah" }),
  ];
  for (const read of reads) await expect(read()).rejects.toThrow(/line 1 .*save the file as UTF-8/);
});
