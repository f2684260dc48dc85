// `prior`: the scores of the search that found the documents, in files of `rerank`.
import { afterAll, describe, expect, it } from "vitest";
import { expectFailure, run, temporaryFolder } from "../helpers/cli.ts";

const files = temporaryFolder();
const documents = [
  { id: "bees", text: "Bees collect nectar from flowers and make honey from it in the hive." },
  { id: "rock", text: "Granite is a rock that forms when magma cools slowly below the surface." },
  { id: "rail", text: "The first public steam railway opened in 1825 between Stockton and Darlington." },
];
const prior = [1, 2, 9];
const lines = (values: object[]) => values.map((value) => `${JSON.stringify(value)}\n`).join("");
const plain = files.write("plain.jsonl", lines(documents));
const docs = files.write("docs.jsonl", lines(documents.map((one, index) => ({ ...one, prior: prior[index] }))));
const some = files.write("some.jsonl", lines([{ ...documents[0]!, prior: 1 }, documents[1]!]));
const asked = ["rerank", "--threads", "1", "--query", "what makes honey?"];
const json = async (...args: string[]) => {
  const { stdout, stderr, code } = await run([...args, "--json"]);
  expect([stderr, code]).toEqual(["", 0]);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
};
const priorsOf = ({ results }: { results: { index: number; prior: number }[] }) =>
  [...results].sort((a, b) => a.index - b.index).map((one) => one.prior);

afterAll(() => files.remove());

describe.concurrent("prior in documents", () => {
  it("joins the heads as in the library, with a weight of the caller's, or not", async () => {
    const [[given], [heavy], [bm25], [none]] = await Promise.all([
      json(...asked, docs),
      json(...asked, docs, "--fuse", "prior:0.1"),
      json(...asked, docs, "--fuse", "bm25"),
      json(...asked, docs, "--fuse", "none"),
    ]);
    expect(given.fusion).toEqual({ prior: "given", fuse: { weight: 0.5 } });
    expect(priorsOf(given)).toEqual(prior);
    expect(heavy).toMatchObject({
      fusion: { prior: "given", fuse: { weight: 0.1 } },
      results: [{ id: "rail" }, {}, {}],
    });
    expect(bm25).toMatchObject({ fusion: { prior: "bm25" }, results: [{ id: "bees" }, {}, {}] });
    expect(none).not.toHaveProperty("fusion");
  });

  it("stays with the candidates, and with a cache of the documents", async () => {
    const cache = files.path("docs.corpus");
    const [[few], [kept]] = await Promise.all([
      json(...asked, docs, "--candidates", "2", "--fuse", "prior:0.4"),
      json(...asked, docs, "--cache", cache),
    ]);
    for (const { index, prior: found } of few.results) expect(found).toBe(prior[index]);
    expect(few.results).toHaveLength(2);
    expect(priorsOf(kept)).toEqual(prior);
  });

  it("is a list in the lines of several queries", async () => {
    const many = [
      { id: "a", query: "what makes honey?", prior },
      { id: "b", query: "magma", prior: [0, 0, -1.5] },
    ];
    const queries = files.write("queries.jsonl", lines(many));
    const found = await json("rerank", "--threads", "1", "--queries", queries, "--docs", plain);
    expect(found.map((one) => [one.queryId, priorsOf(one)])).toEqual(many.map(({ id, prior }) => [id, prior]));
  });

  it.each([
    ["only some documents", [...asked, some], ['document "rock" has no "prior"', 'document "bees" has one']],
    [
      "a prior that is no number",
      [...asked, files.write("odd.jsonl", lines([{ ...documents[0]!, prior: "high" }]))],
      ['document "bees" has a wrong "prior"', "a finite number"],
    ],
    ["several files, one without", [...asked, docs, plain], ['has no "prior"']],
    ["a weight of what is not there", [...asked, plain, "--fuse", "prior:0.4"], ['documents with a "prior"']],
    [
      "the priors of one query for two",
      ["rerank", "--queries", files.write("two.jsonl", lines([{ query: "a" }, { query: "b" }])), "--docs", docs],
      ["one query", "received 2", "a list"],
    ],
    [
      "a list of another length",
      ["rerank", "--queries", files.write("short.jsonl", lines([{ query: "a", prior: [1] }])), "--docs", plain],
      ['query "0" has a wrong "prior"', "3 finite numbers"],
    ],
    [
      "both places",
      ["rerank", "--queries", files.write("both.jsonl", lines([{ query: "a", prior }])), "--docs", docs],
      ["in the documents or in the lines"],
    ],
  ])("refuses %s", async (_, args, parts) => {
    expectFailure(await run(args), 2, ...parts);
  });
});
