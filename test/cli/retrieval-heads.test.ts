import { readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { copyingHead } from "../../scripts/models/table.ts";
import { expectFailure, run, temporaryFolder } from "../helpers/cli.ts";
import { modelPath } from "../helpers/models.ts";

const files = temporaryFolder();
const stems = "bal cor dim fen gor hal jun kel lom mar nop pel ras sol tum vel wix yar zed".split(" ");
const word = (i: number) => `${stems[i % 19]}${stems[(i * 7 + 3) % 19]}${stems[(i * i) % 19]}`;
const text = files.write(
  "text.txt",
  Array.from({ length: 200 }, (_, i) => word(i) + (i % 9 === 8 ? "." : "")).join(" "),
);
const needle =
  "\nAnswer: violet turtles whisper ancient riddles beneath crooked lanterns while drowsy bakers juggle eggs";
const needles = files.write("needles.json", JSON.stringify([{ needle, question: "what?" }]));
const common = ["retrieval-heads", "--model", modelPath("copying"), "--text", text, "--threads", "1", "--gpu", "false"];

afterAll(() => files.remove());

const size = ["--min-tokens", "100", "--max-tokens", "200", "--lengths", "1", "--depths", "2"];
const grid = [...size, "--needles", needles];

describe.concurrent("retrieval-heads", () => {
  it("writes the head set and the trials, and prints the best heads", async () => {
    const [output, trials] = [files.path("heads.json"), files.path("trials.json")];
    const result = await run([
      ...common,
      ...grid,
      "--top",
      "3",
      "--threshold",
      "0.1",
      "-o",
      output,
      "--trials",
      trials,
    ]);
    const [few, fewer, counted, ...rest] = result.stderr.split("\n");
    expect(few).toContain("warning: Only 2 of 2 answers had more than half of the needle and counted");
    expect(fewer).toContain("warning: 1 head scored 0.1 or more, fewer than the 3 requested");
    expect([counted, ...rest]).toEqual(["2 of 2 answers had more than half of the needle and counted", ""]);
    expect(result.code).toBe(0);
    const key = copyingHead.join("-");
    expect(result.stdout).toMatch(new RegExp(`^Rank +Head +Score\\n +1 +${key} +0\\.[89]`));
    const set = JSON.parse(readFileSync(output, "utf8"));
    expect(set).toMatchObject({
      format: "qrhead-heads",
      objective: "retrieval-heads",
      source: { name: "text.txt", counted: 2, trials: 2 },
    });
    expect(set.heads).toEqual([[...copyingHead]]);
    const published = JSON.parse(readFileSync(trials, "utf8"));
    expect(Object.keys(published)).toHaveLength(12);
    expect(published[key]).toHaveLength(2);
  });

  it("says what is still found without heads, also where that is nothing", async () => {
    const answers = files.path("answers.jsonl");
    const without = ["--without", copyingHead.join("-")];
    const result = await run([...common, ...grid, ...without, "--answers", answers, "--quiet"]);
    expect(result.stderr).toContain("answered none of 2 questions");
    expect(result.code).toBe(0);
    const trials = readFileSync(answers, "utf8").trimEnd().split("\n");
    expect(trials.map((line) => JSON.parse(line))).toEqual(
      [0, 1].map((depth) => expect.objectContaining({ needle: 0, depth, counted: false, answer: expect.any(String) })),
    );
    // Heads cannot be rated by nothing.
    const rated = await run([...common, ...grid, ...without, "--answers", answers, "--force", "--json"]);
    expectFailure(rated, 1, "answered none");
  });

  it.each<[string, string[], number, string[]]>([
    ["no text", ["retrieval-heads", "-o", files.path("x.json")], 2, ["--text"]],
    ["no output", common, 2, ["-o", "--json"]],
    ["an output that exists", [...common, "-o", text], 2, ["exists", "--force"]],
    ["needles that are no JSON", [...common, "--json", "--needles", text], 2, ["text.txt", "JSON"]],
    ["a threshold above 1", [...common, "--json", "--threshold", "2"], 2, ["--threshold", "from 0 to 1"]],
    ["needles of another shape", [...common, "--json", "--needles", files.write("odd.json", "[1]")], 2, ["needle"]],
  ])("refuses %s", async (_, args, code, parts) => {
    expectFailure(await run(args), code, ...parts);
  });
});
