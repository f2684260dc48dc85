// What follows from the registry of options: checks, flags, words and the configuration file.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { applyConfig, configFile } from "../../src/cli/config.ts";
import { partsOf } from "../../src/cli/flag-parts.ts";
import { flagOf, withFlags } from "../../src/cli/flag-words.ts";
import { flagExpected, optionsFrom, specOf, withLongFlags } from "../../src/cli/flags.ts";
import { createProgram } from "../../src/cli/program.ts";
import { assembleContext, chunkDocuments, readTexts } from "../../src/index.ts";
import { parseOptions } from "../../src/options/parse.ts";
import { OPTION_TYPES, type OptionType } from "../../src/options/registry.ts";
import { SERVING } from "../../src/options/serving.ts";
import { startServer } from "../../src/serve/server.ts";
import { temporaryFolder } from "../helpers/cli.ts";

const files = temporaryFolder();
const program = await createProgram();
afterAll(() => files.remove());

/** What options of a kind take. */
const RIGHT: Readonly<Record<string, unknown>> = { integer: 99, text: "x", texts: ["x"] };

describe("a type of options", () => {
  it.each(Object.entries<OptionType>(OPTION_TYPES))(
    "%s refuses what its options do not take, by name",
    (_, { own }) => {
      for (const [name, spec] of Object.entries(own)) {
        const others = Object.fromEntries(
          Object.entries(own)
            .filter(([, one]) => one.required)
            .map(([key, one]) => [key, RIGHT[one.kind] ?? (() => 0)]),
        );
        // A symbol is no value of any option.
        const wrong = { ...others, [name]: Symbol("wrong") };
        if (spec.kind === "other" && !spec.accepts && !spec.inside && !spec.choices) continue;
        expect(() => parseOptions(own, wrong), name).toThrow(
          expect.objectContaining({ option: name, expected: spec.expected }),
        );
      }
      expect(() => parseOptions(own, { colour: 1 })).toThrow(/^Unknown option colour: expected one of /);
    },
  );

  it("knows bounds to the number, and options inside others", () => {
    const { own } = OPTION_TYPES.LoadOptions;
    expect(parseOptions(own, { contextSize: 16, threads: 512 })).toEqual({ contextSize: 16, threads: 512 });
    for (const wrong of [{ contextSize: 15 }, { threads: 513 }, { threads: 1.5 }, { gpu: "false" }, { gpu: true }]) {
      expect(() => parseOptions(own, wrong)).toThrow(/^Expected /);
    }
    const scoring = OPTION_TYPES.ScoringOptions.own;
    expect(() => parseOptions(scoring, { windows: { windowTokens: 15 } })).toThrow(/for windows\.windowTokens/);
    expect(() => parseOptions(scoring, { windows: { size: 15 } })).toThrow(/Unknown option windows\.size/);
    expect(() => parseOptions(OPTION_TYPES.PruneLimit.own, { relative: 0 })).toThrow(/a number above 0 and at most 1/);
  });
});

describe("a server", () => {
  it.each([
    [{ timeout: 0 }, "timeout", "an integer from 1 to 86400000, in milliseconds"],
    [{ port: "8080" }, "port", "an integer from 0 to 65535"],
    [{ models: "one.gguf" }, "models", "paths or hf: URIs"],
    [{ colour: "blue" }, "colour", "one of models, load, "],
  ])("refuses %j before it loads a model", async (options, option, expected) => {
    const error = await startServer(options as never).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", option, expected: expect.stringContaining(expected) });
  });
});

describe("unknown options are refused", () => {
  it("by calls that take few", async () => {
    const chunker = { chunk: async () => [] };
    await expect(chunkDocuments(chunker, ["a"], { chunkToken: 9 } as never)).rejects.toThrow(/chunkToken/);
    await expect(readTexts(["package.json"], { recursive: true } as never)).rejects.toThrow(/recursive/);
    const options = { budgetTokens: 9, countTokens: () => 1, maxTokens: 4 } as never;
    await expect(assembleContext([], options)).rejects.toThrow(/maxTokens/);
  });
});

type Flag = { path: string; option: (typeof program.options)[number] };

function flagsOf(command: typeof program, path = ""): Flag[] {
  const own = command.options.map((option) => ({ path: path || "qrhead", option }));
  return [...own, ...command.commands.flatMap((child) => flagsOf(child, `${path} ${child.name()}`.trim()))];
}

describe("flags", () => {
  it("are options of the registry, in every command", () => {
    const strangers = flagsOf(program).filter(({ option }) => option.long !== "--version" && !specOf(option));
    expect(strangers.map(({ path, option }) => `${path} ${option.flags}`)).toEqual([]);
  });

  it("say in the reference what they take, and what holds without them", () => {
    const page = readFileSync("docs/reference/options.md", "utf8");
    for (const { option } of flagsOf(program)) {
      const spec = specOf(option);
      if (!spec || option.hidden) continue;
      const { value } = partsOf(spec.flag!);
      expect(flagExpected(spec) !== "", option.flags).toBe(value !== undefined);
      expect(page).toContain(`| \`${spec.flag}\``);
    }
  });

  const commands = (command: typeof program, path: readonly string[] = []): string[][] => {
    const inside = command.commands.flatMap((child) => commands(child, [...path, child.name()]));
    return command.commands.length === 0 ? [[...path]] : inside;
  };

  it.each(commands(program).map((words) => [words.join(" "), words] as const))(
    "that are not there are refused by %s",
    async (_, words) => {
      const fresh = await createProgram([words[0]!]);
      await expect(fresh.parseAsync([...words, "--colour", "blue"], { from: "user" })).rejects.toThrow(
        /unknown option '--colour'/,
      );
    },
  );

  it.each([
    [["serve", "--timeout", "0"], 'Expected an integer from 1 to 86400, in seconds for --timeout but received "0"'],
    [["serve", "--port", "65536"], "Expected an integer from 0 to 65535 for --port"],
    [["serve", "--memory", "x"], "Expected an integer of at least 1, in MiB for --memory"],
    [["worker", "--redis", "r", "--lease", "3601"], "Expected an integer from 1 to 3600, in seconds for --lease"],
    [["submit", "rerank", "--attempts", "0"], "Expected an integer from 1 to 100 for --attempts"],
    [["mcp", "--root", " "], "Expected a folder for --root"],
    [["models", "pull", "m", "--sha256", "12"], "Expected a SHA-256: 64 hexadecimal digits for --sha256"],
    [["heads", "trim", "s", "--top", "0"], "Expected an integer of at least 1 for --top"],
    [["heads", "plot", "s", "-o", "heads.png"], "Expected a path that ends in .html or .svg for --output"],
    [["reproduce", "beir", "--limit", "0"], "Expected an integer of at least 1 for --limit"],
    [["detect", "--top", "all"], "Expected an integer of at least 1 or auto for --top"],
  ])("say what they take: %j", async (args, sentence) => {
    const fresh = await createProgram([args[0]!]);
    await expect(fresh.parseAsync(args, { from: "user" })).rejects.toThrow(sentence);
  });

  it("that name what is written refuse -, which would be a file of this name; heads export prints then", () => {
    const all = flagsOf(program).filter(({ path, option }) => `${path} ${option.long}` !== "heads export --output");
    const writing = all.filter(({ option }) => /<OUT>/.test(option.flags) || specOf(option)?.writes);
    const known = new Set(writing.map(({ option }) => option.long));
    const named = ["--output", "--plot", "--trials", "--answers", "--head-set", "--report", "--cache", "--index"];
    expect([...known]).toEqual(expect.arrayContaining([...named, "--checkpoint", "--corpora"]));
    // Every -o: also that of a folder.
    for (const { path, option } of [...writing, ...all.filter(({ option }) => option.short === "-o")]) {
      const parse = (value: string) => option.parseArg!(value, undefined);
      const name = `${path} ${option.flags}`;
      expect(() => parse("-"), name).toThrow(/pass \.\/- if that is its name$|ends in \.html or \.svg/);
      const taken = specOf(option)?.kind === "other" ? "./-.html" : "./-";
      expect(parse(taken), name).toBe(taken);
    }
  });

  it("count in units that people have, and give the library its own", () => {
    const [timeout, body] = ["--timeout", "--max-body"].map((long) => {
      const { option } = flagsOf(program).find(({ path, option }) => path === "serve" && option.long === long)!;
      return option.parseArg!("2", undefined);
    });
    expect([timeout, body]).toEqual([2000, 2 * 2 ** 20]);
    expect(optionsFrom(SERVING, { model: ["a"], timeout, maxBody: body, page: false })).toEqual({
      ...{ models: ["a"], timeout: 2000, maxBody: 2 * 2 ** 20, page: false },
    });
  });

  it("exist in some command for every option that the library's messages are worded with", () => {
    const known = new Set<string>();
    const walk = (command: typeof program) => {
      for (const { long } of command.options) known.add(long!.replace("--no-", "--"));
      for (const child of command.commands) walk(child);
    };
    walk(program);
    for (const { own } of Object.values<OptionType>(OPTION_TYPES)) {
      for (const [name, { flag }] of Object.entries(own)) {
        if (flag) expect(known, name).toContain(flagOf(name));
      }
    }
    expect(flagOf("relative")).toBe("--relative");
    expect(withFlags("pass relative: 1 or mask: false")).toBe("pass --relative 1 or --no-mask");
  });

  it("of several letters are those of llama.cpp", () => {
    const args = ["rerank", "-ngl", "0", "-ctk=q8_0", "-k", "3", "--", "-ngl"];
    expect(withLongFlags(args)).toEqual([
      "rerank",
      "--gpu-layers",
      "0",
      "--cache-type-k=q8_0",
      "-k",
      "3",
      "--",
      "-ngl",
    ]);
  });

  it("mean one thing: none has another short one elsewhere, and --docs takes a file everywhere", () => {
    const shorts = new Map<string, string>();
    const walk = (command: typeof program) => {
      for (const { short, long, required } of command.options) {
        if (long === "--docs") expect(required, command.name()).toBe(true);
        if (!short) continue;
        expect(shorts.get(short) ?? long, `${command.name()} ${short}`).toBe(long);
        shorts.set(short, long!);
      }
      for (const child of command.commands) walk(child);
    };
    walk(program);
    expect(Object.fromEntries(shorts)).toMatchObject({
      "-m": "--model",
      "-q": "--query",
      "-k": "--top-k",
      "-c": "--context-size",
      "-t": "--threads",
    });
  });
});

describe("help", () => {
  const helpOf = (command: typeof program): [string, string][] => {
    let text = "";
    command.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 80 }).outputHelp();
    return [[command.name(), text], ...command.commands.flatMap(helpOf)];
  };

  it.each(helpOf(program))("of %s fits 40 lines of 80 columns", (_, text) => {
    expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(40);
  });

  it("of rerank explains the six everyday options, and names every other one", () => {
    const rerank = program.commands.find((command) => command.name() === "rerank")!;
    const [[, text]] = helpOf(rerank) as [[string, string]];
    const explained = [...text.matchAll(/^ +(?:-\w, )?(--[\w-]+)(?: <\w+>)? {2,}\S/gm)].map(([, long]) => long);
    expect(explained).toEqual(["--query", "--model", "--top-k", "--heads", "--format", "--json"]);
    for (const { long } of rerank.options) expect(text).toContain(long);
  });
});

describe("the configuration file", () => {
  afterEach(() => vi.unstubAllEnvs());
  beforeAll(() => vi.stubEnv("QRHEAD_MODEL", ""));

  async function optionsWith(
    config: unknown,
    args: readonly string[],
    env: Record<string, string> = {},
    [name = "", ...given]: readonly string[] = ["rerank", "q", "f"],
  ) {
    for (const [variable, value] of Object.entries(env)) vi.stubEnv(variable, value);
    const fresh = await createProgram([name]);
    const command = fresh.commands.find((one) => one.name() === name)!;
    let values: Record<string, unknown> = {};
    command.action(() => {
      values = command.opts();
    });
    vi.stubEnv(
      "QRHEAD_CONFIG",
      files.write("config.json", typeof config === "string" ? config : JSON.stringify(config)),
    );
    await fresh.parseAsync([name, ...given, ...args], { from: "user" });
    return values;
  }

  it("gives what no flag and no variable says", async () => {
    const config = { model: "config.gguf", threads: 3, gpu: false, check: "process", flashAttention: false };
    const parsed = await optionsWith(config, ["--threads", "5"]);
    expect(parsed).toMatchObject({
      model: "config.gguf",
      threads: 5,
      gpu: "false",
      check: true,
      flashAttention: false,
    });
    const variable = await optionsWith(config, [], { QRHEAD_MODEL: "variable.gguf" });
    expect(variable).toMatchObject({ model: "variable.gguf", threads: 3 });
    const flag = await optionsWith(config, ["-m", "flag.gguf"], { QRHEAD_MODEL: "variable.gguf" });
    expect(flag.model).toBe("flag.gguf");
  });

  it("gives a server, which takes several models, the one that it has, and a worker its Redis", async () => {
    const config = { model: "config.gguf" };
    expect(await optionsWith(config, [], {}, ["serve"])).toMatchObject({ model: ["config.gguf"] });
    expect(await optionsWith({}, [], { QRHEAD_MODEL: "v.gguf" }, ["serve"])).toMatchObject({ model: ["v.gguf"] });
    const flags = ["-m", "a.gguf", "-m", "b.gguf"];
    expect(await optionsWith(config, flags, {}, ["serve"])).toMatchObject({ model: ["a.gguf", "b.gguf"] });
    expect(await optionsWith({}, [], { QRHEAD_REDIS_URL: "redis://r" }, ["worker"])).toMatchObject({
      redis: "redis://r",
    });
    await expect(optionsWith({}, [], { QRHEAD_REDIS_URL: "" }, ["worker"])).rejects.toThrow(
      "Expected --redis URL (address of Redis): pass it, or set QRHEAD_REDIS_URL",
    );
  });

  it.each([
    [{ modell: "x" }, /Configuration file .*config\.json: Unknown option modell/],
    [{ threads: 0 }, /an integer from 1 to 512 for threads/],
    ["{", /config\.json: /],
    [[], /an object/],
  ])("is refused where it is wrong: %j", async (config, message) => {
    await expect(optionsWith(config, [])).rejects.toThrow(message);
  });

  it("is where programs of this system have theirs", () => {
    expect(configFile({ XDG_CONFIG_HOME: "/x" })).toBe(path.join("/x", "qrhead", "config.json"));
    expect(configFile({ QRHEAD_CONFIG: "/y/c.json" })).toBe(path.resolve("/y/c.json"));
    const missing = path.resolve("/nowhere/config.json");
    vi.stubEnv("QRHEAD_CONFIG", missing);
    expect(() => applyConfig(program)).toThrow(`Configuration file ${missing} does not exist`);
  });
});

it("reads the environment variables that the docs list, and no others", () => {
  const page = readFileSync("docs/command-line.md", "utf8").split("### Environment variables")[1]!.split("\n## ")[0]!;
  const listed = [...page.matchAll(/^\| `(QRHEAD_[A-Z_]+)` \|/gm)].map(([, name]) => name!);
  const sources = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  const read = sources.flatMap((file) => {
    const found = readFileSync(path.join("src", file), "utf8").matchAll(/(?:env\.|env: ")(QRHEAD_[A-Z_]+)/g);
    return [...found].map(([, name]) => name!);
  });
  expect(listed.toSorted()).toEqual([...new Set(read)].sort());
  const withFlags = flagsOf(program).flatMap(({ option }) => (option.envVar ? [[option.envVar, option.long]] : []));
  for (const [name, flag] of withFlags) expect(page).toContain(`| \`${name}\` | default of \`${flag}\``);
});
