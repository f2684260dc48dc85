import { describe, expect, it } from "vitest";
import { parseHeadSet } from "../../src/heads/head-set.ts";
import { identity } from "../helpers/identity.ts";

const own = {
  format: "qrhead-heads",
  version: 1,
  model: { name: "M", architecture: "llama", layers: 2, heads: 3, fingerprint: "f" },
  prompt: "llama3",
  nullQuery: "N/A",
  objective: "mass",
  source: { name: "LME", examples: 70, url: "https://example.org", note: "kept" },
  heads: [
    [1, 2],
    [0, 0],
  ],
  scores: [
    [0.1, 0.2, 0.3],
    [0, 0, 0.9],
  ],
};

const heads = (text: string) => parseHeadSet(text, "f").heads.map((head) => head.join("-"));

describe("parseHeadSet of our own format", () => {
  it("reads what was written", () => {
    expect(parseHeadSet(JSON.stringify(own), "heads.json")).toEqual(own);
  });

  it("keeps what later versions of detection say about it", () => {
    const more = {
      ...own,
      objective: "contrastive",
      temperature: 0.1,
      seed: 3,
      weights: [1.5, 0.5],
      stability: { splits: 50, examples: 35, overlap: 0.9, chance: 0.1, curve: [{ examples: 1, overlap: 0.4 }] },
      quality: { folds: 5, byHeads: [{ heads: 4, ndcg: 0.8, rPrecision: 0.7 }] },
      fit: { kept: true, l1: 0.01, folds: 5, ndcg: { plain: 0.8, weighted: 0.9 }, standardError: 0.01 },
    };
    expect(parseHeadSet(JSON.stringify(more), "heads.json")).toEqual(more);
  });

  it("needs only the model and the heads", () => {
    const { format, version, model, heads } = own;
    const minimal = { format, version, model, heads };
    expect(parseHeadSet(`\uFEFF${JSON.stringify(minimal)}`, "heads.json")).toEqual(minimal);
  });

  it.each([
    ["another version", { version: 2 }, /version/],
    ["no model", { model: undefined }, /model/],
    ["a model without layers", { model: { ...own.model, layers: 0 } }, /model\.layers/],
    ["no heads", { heads: [] }, /heads/],
    ["a negative head", { heads: [[0, -1]] }, /heads\.0\.1/],
    ["a head that is no pair", { heads: [[0]] }, /heads\.0/],
    ["a head outside the model", { heads: [[2, 0]] }, /head 2-0 is outside the 2 layers of 3 heads/],
    [
      "a head twice",
      {
        heads: [
          [1, 2],
          [1, 2],
        ],
      },
      /head 1-2 is named twice/,
    ],
    ["weights for other heads", { weights: [1] }, /1 weight for 2 heads/],
    ["a weight below 0", { weights: [1, -0.5] }, /weights\.1/],
    ["weights of nothing but 0", { weights: [0, 0] }, /every head has the weight 0/],
    ["scores of another shape", { scores: [[1, 2, 3]] }, /scores are not 2 layers of 3 heads/],
    ["an unknown prompt", { prompt: "chatml" }, /prompt/],
    ["another format", { format: "other" }, /format/],
  ])("refuses %s", (_, change, message) => {
    const text = JSON.stringify({ ...own, ...change });
    expect(() => parseHeadSet(text, "h.json")).toThrow(expect.objectContaining({ code: "HEADS_INVALID" }));
    expect(() => parseHeadSet(text, "h.json")).toThrow(message);
    expect(() => parseHeadSet(text, "h.json")).toThrow(/^h\.json is not a head set/);
  });
});

describe("parseHeadSet of published formats", () => {
  it.each([
    ["QRHead YAML", '# Default\n\nattn_head_set: "13-18,8-11" # top16\nmodel_base_class: "Llama"\n'],
    ["QRHead YAML with underscores and spaces", "attn_head_set: '13_18, 8_11'\r\nmodel: x\r\n"],
    ["DySCO YAML of tuples in text", 'top_k: 4096\nselected_heads: "[(13,18),(8,11)]"\ntop_p: 0.975\n'],
    ["DySCO YAML of its later version", 'dysco_qrheads: "[(13, 18), (8, 11)]"\ndysco_template_seqs:\n  - [1, 2]\n'],
    ["YAML flow lists", "selected_heads: [[13, 18], [8, 11]]\n"],
    ["YAML lists below", "selected_heads:\n  - [13, 18]\n  # a remark\n  - [8, 11]\ntop_k: 1\n"],
    ["YAML lists of keys below", "selected_heads:\n- 13-18\n- '8-11'\ntop_k: 1\n"],
    ["YAML block lists of block lists", "selected_heads:\n- - 13\n  - 18\n- - 8\n  - 11\ntop_k: 1\n"],
    ["YAML with an anchor", "best: &best [[13, 18], [8, 11]]\nselected_heads: *best\n"],
    ["YAML tuples without quotes", "selected_heads: [(13, 18), (8, 11)] # best first\n"],
    ["YAML of a folded text", "attn_head_set: >-\n  13-18,\n  8-11\nmodel: x\n"],
    ["YAML with a quoted field", "\"attn_head_set\": '13-18,8-11'\n"],
    ["a whole line of heads among lines that are no YAML", "attn_head_set: 13-18, 8-11\nprompt: Answer: yes\n\t- x\n"],
    ["Python tuples", "[(13, 18), (8, 11)]"],
    ["a JSON list of pairs", "[[13, 18], [8, 11]]"],
    ["a JSON list of keys", '["13-18", "8_11"]'],
    ["a JSON text", '"13-18,8-11"'],
    ["QRRanker config", '{"model_type": "qwen3", "qr_head_list": [[13, 18], [8, 11]], "qr_start_layer": 8}'],
    ["QRRanker config of text", '{"qr_head_list": "13-18,8-11"}'],
    ["vLLM-Hook config", '{"model_info": {"name": "m"}, "params": {"important_heads": [[13, 18], [8, 11]]}}'],
    ["a bare list", "13-18,8-11\n"],
    ["a line per head", "13-18\n8-11\n"],
    ["QRHead detection list", '[["13-18", 0.9], ["8-11", 0.5]]'],
    ["an unsorted detection list", '[["8-11", 0.5], ["13-18", 0.9]]'],
    ["Wu's trials, by mean", '{"8-11": [1, 0, 0.2], "13-18": [0, 0.9, 0.6]}'],
    ["CoRe's scores", '{"8-11": 0.02, "13-18": 0.3}'],
  ])("reads %s", (_, text) => {
    expect(heads(text)).toEqual(["13-18", "8-11"]);
  });

  it("takes the 16 best of a file of scores, equal ones by layer and head, and keeps its scores", () => {
    const entries = Array.from({ length: 20 }, (_, i) => [`${Math.floor(i / 5)}-${i % 5}`, i < 4 ? 1 : i < 10 ? 2 : 3]);
    const set = parseHeadSet(JSON.stringify(Object.fromEntries(entries)), "scores.json");
    expect(set.heads.map((head) => head.join("-"))).toEqual([
      ...["2-0", "2-1", "2-2", "2-3", "2-4", "3-0", "3-1", "3-2", "3-3", "3-4"],
      ...["0-4", "1-0", "1-1", "1-2", "1-3", "1-4"],
    ]);
    expect(set.scores).toEqual([
      [1, 1, 1, 1, 2],
      [2, 2, 2, 2, 2],
      [3, 3, 3, 3, 3],
      [3, 3, 3, 3, 3],
    ]);
  });

  it("keeps no scores where some heads have none", () => {
    expect(parseHeadSet('{"0-0": 1, "1-1": 2}', "f")).not.toHaveProperty("scores");
  });

  it("names the file as source, and no model unless one is given", () => {
    expect(parseHeadSet("13-18", "my.txt")).toEqual({
      format: "qrhead-heads",
      version: 1,
      source: { name: "my.txt" },
      heads: [[13, 18]],
    });
    const loaded = identity({ name: "L", layers: 18, originalLayers: 32 });
    const given = parseHeadSet("13-18", "my.txt", loaded);
    expect(given.model).toEqual({ name: "L", architecture: "llama", layers: 32, heads: 32 });
  });

  it("reads full_heads as every head of the model", () => {
    const model = identity({ layers: 2, heads: 2 });
    expect(parseHeadSet('attn_head_set: "full_heads"', "f", model).heads).toEqual([
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ]);
    expect(() => parseHeadSet('attn_head_set: "full_heads"', "f")).toThrow(/no model is given/);
  });

  it.each([
    ["nothing", "  \n", /empty/],
    ["prose", "these are not heads", /not a list of heads/],
    ["a list with something else in it", "13-18,foo,8-11", /not a list of heads/],
    ["a range of three", "13-18-2", /not a list of heads/],
    ["an empty field", "attn_head_set: \nother: 1-2\n", /names no head/],
    ["YAML of an anchor within itself", "heads: &a [*a]\n", /YAML does not allow this/],
    ["YAML that is none", "selected_heads: [[13, 18]\nother: {\n", /YAML does not allow this/],
    [
      "YAML of aliases that grow without end",
      `a: &a [${"x,".repeat(40)}]\n${"bcdef".replace(/./g, (name, i: number) => `${name}: &${name} [${`*${"abcdef"[i]},`.repeat(40)}]\n`)}heads: *f\n`,
      /YAML does not allow this/,
    ],
    ["YAML that is nested without end", `heads: ${"[".repeat(50_000)}`, /nested too deeply|YAML does not allow this/],
    ["a JSON number", "7", /holds a number/],
    ["JSON null", "null", /holds null/],
    ["an empty list", "[]", /names no head/],
    ["an empty object", "{}", /names no head/],
    ["an object of something else", '{"name": "x"}', /no field that holds heads, and "name"/],
    ["a key that is no head", '[["13", 0.5]]', /"13" names no head/],
    ["a score that is no number", '{"1-2": "high"}', /score of head 1-2/],
    ["a head without trials", '{"1-2": []}', /score of head 1-2/],
    ["fractions", "[[1.5, 2]]", /names no head/],
    ["negative numbers", "[[-1, 2]]", /names no head/],
    ["a head twice", "13-18,8-11,13-18", /head 13-18 is named twice/],
    [
      "JSON that is nested without end",
      '{"params":'.repeat(20_000) + 1 + "}".repeat(20_000),
      /nested too deeply|no field/,
    ],
    ["a head scored twice", '[["1-2", 1], ["1_2", 2]]', /scores a head twice/],
  ])("refuses %s", (_, text, message) => {
    expect(() => parseHeadSet(text, "f.yaml")).toThrow(expect.objectContaining({ code: "HEADS_INVALID" }));
    expect(() => parseHeadSet(text, "f.yaml")).toThrow(message);
  });
});
