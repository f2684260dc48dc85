import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { textUnits } from "../../src/chunking/units.ts";
import { anyText } from "../helpers/texts.ts";

const units = async (text: string) => {
  const found = await textUnits(text);
  return found.units.map(({ begin, end }) => text.slice(begin, end));
};

/** Prose as novels, manuals and mails have it: names, abbreviations, quotes, numbers, a list. */
const PROSE = `The harbour office of Vlieland opened at seven. Mr. de Vries, who had kept the books since 1998, unlocked the door and let Dr. Anna Brandt in. "You are early," he said. She laughed. "The ferry leaves at 7.40 a.m. and I would like to see the log of the Sirius before it does." He shrugged. It lay, as always, on the desk of Prof. Willem J. Bakker (retd.), under No. 5 of the tide tables.

Nobody in the U.S. Navy would have accepted such a log. The entries for March, i.e. the month of the storm, were written in pencil; those for April were missing altogether! Was it carelessness? Brandt did not think so. See Fig. 3 of the report, and compare it with the one that St. Peter's lighthouse sent to Deventer in 2003.

Three days later the answer came by post. The water level had been measured at 3.5 metres above datum, which is half a metre more than any ferry of that class is built for ... and yet the Sirius had sailed. Captain Hoekstra wrote: "We could not wait." That was all. The board met on the following Monday and, because nobody could name a better course, decided to close the Oude Haven until the autumn.`;

/** As a mailer or a typesetter wraps it: as many words a line as fit. */
function wrap(text: string, width: number, margin = "", end = "\n"): string {
  return text
    .split("\n\n")
    .map((paragraph) => {
      const lines: string[] = [];
      for (const word of paragraph.split(" ")) {
        const line = lines.at(-1);
        if (line === undefined || line.length + 1 + word.length > width) lines.push(word);
        else lines[lines.length - 1] = `${line} ${word}`;
      }
      return lines.map((line) => margin + line).join(end);
    })
    .join(`${end}${margin.trimEnd()}${end}`);
}

const bare = (text: string) => text.replace(/\n>/g, " ").replace(/^>/, "").replace(/\s+/g, " ").trim();

describe("sentences of a wrapped text", () => {
  test.each([40, 60, 66, 72, 80, 100])("are those of the text before it was wrapped at %i columns", async (width) => {
    const expected = (await units(PROSE)).map(bare);
    expect(expected).toHaveLength(17);
    expect((await units(wrap(PROSE, width))).map(bare)).toEqual(expected);
  });

  test.each([
    ["a manual page", "       ", "\n"],
    ["a quoted mail", "> ", "\n"],
    ["a file of Windows", "", "\r\n"],
  ])("are those of the text in %s", async (_, margin, end) => {
    expect((await units(wrap(PROSE, 66, margin, end))).map(bare)).toEqual((await units(PROSE)).map(bare));
  });

  test("are found where all letters are small", async () => {
    const small = PROSE.toLowerCase();
    expect((await units(wrap(small, 72))).map(bare)).toEqual((await units(small)).map(bare));
  });

  test("a single paragraph of three lines goes on where its lines do", async () => {
    const text =
      "The tenant may keep a dog, a cat, or any\nother animal that is not larger than a\nsheep. Horses are not allowed.\n";
    expect(await units(text)).toEqual([text.slice(0, text.indexOf("Horses")), "Horses are not allowed.\n"]);
  });

  test.each([
    ["verse", "The owl has gone to sea again\nIn boats of peppermint and brass\nHer captain is a weathervane\n"],
    ["an address", "Harbour Office\nKade 12\n8899 Vlieland\n"],
    ["a chat", "Ann: are you there\nBob: i am on the ferry now and it rains a lot here\nAnn: ok\n"],
    [
      "a model's chat",
      "system: You are the clerk of a harbour.\nuser: Tell me about the ferry.\nassistant: It leaves at ten.\n",
    ],
    ["a lower-case chat", "are you there\nyes but only until ten because the ferry leaves\nok\nsee you\n"],
    ["a list", "- a rope of ten metres\n- a lamp\n- two blankets for the night on the open deck\n"],
    ["fields", "From: Ann\nSubject: The log of the Sirius\nDate: Monday\n"],
  ])("lines of %s stay apart", async (_, text) => {
    expect(await units(text)).toEqual(text.match(/.+\n/g));
  });

  test("items of a wrapped list are apart, and their lines are not", async () => {
    const items = [
      "- the log of the Sirius, which has to be\n  signed by the captain\n",
      "- two lamps\n",
      "- a rope of ten metres that holds the\n  weight of a boat\n",
    ];
    expect(await units(items.join(""))).toEqual(items);
  });
});

describe("a sentence ends", () => {
  test.each<[string, string[]]>([
    ["at a full stop", ["It rains. ", "We stay. ", "Why? ", "Well! ", "So be it."]],
    [
      "not at titles, initials and Latin",
      ["Prof. A. B. Lee vs. Mrs. Oak, e.g. on p. 5, cf. No. 7, Vol. II. ", "Next."],
    ],
    [
      "at a country only before a sentence",
      ["The U.S. Dept. of Energy paid $3.5 million. ", "He lives in the U.S. ", "She does not."],
    ],
    ["with its quotes and brackets", ['"Go." ', "(He went.) ", "“Stay!” she said. ", "**No.** ", "Why?[3] ", "So."]],
    ["before code", ["The file is written once. ", "`save` reads e.g. `a.b` again."]],
    ["in lower case", ["it separates at 3.5 degrees . ", "see ref . 3 . ", "the layer is thin ."]],
    ["in a chat", ["i went home. ", "then i slept... and you? ", "ok"]],
    ["behind three dots before a capital", ["He waited ... and waited. ", "Nothing ... ", "Then he left."]],
    ["in Chinese and Japanese", ["雨だ。", "帰ろう！", "「はい。」と言った。", "他说：“走吧。”", "走了。"]],
    ["in Hindi, Arabic and Greek", ["भारत देश है। ", "هل أنت هنا؟ ", "Η Αθήνα. ", "Ναι."]],
    ["in German", ["Am 3. Oktober kam Hr. Dr. Maier z.B. mit Nr. 5. ", "Es war ca. 9 Uhr bzw. später."]],
    ["in French and Spanish", ["M. Dupont est venu. ", "El Sr. García vive aquí. ", "¿Y tú? ", "¡Sí!"]],
    [
      "not behind the number of an item",
      ["1. Opening hours: 9 to 5. ", "Closed on Sunday.\n", "2. The fee is 5 euros."],
    ],
  ])("%s", async (_, expected) => {
    expect(await units(expected.join(""))).toEqual(expected);
  });
});

describe("units", () => {
  test("join to any text, none blank, cut where asked besides", async () => {
    await fc.assert(
      fc.asyncProperty(anyText, fc.boolean(), fc.array(fc.nat(80)), async (text, isSource, cuts) => {
        const sorted = cuts.sort((a, b) => a - b);
        const { units: found, structures } = await textUnits(text, { isSource, cuts: sorted });
        expect(found.map(({ begin, end }) => text.slice(begin, end)).join("")).toBe(text.trim() === "" ? "" : text);
        let end = 0;
        for (const unit of found) {
          expect(unit.begin).toBe(end);
          expect(text.slice(unit.begin, unit.end).trim()).not.toBe("");
          if (unit.structure !== undefined) expect(structures[unit.structure]).toBeDefined();
          end = unit.end;
        }
      }),
      { numRuns: 300 },
    );
  });

  test("blank lines belong to the sentence before them, and to the first at the beginning", async () => {
    expect(await units("\n\n One. \n\n\nTwo.\n \n")).toEqual(["\n\n One. \n\n\n", "Two.\n \n"]);
  });

  test("lines of fences and tables are units that name what must come along", async () => {
    const text = [
      "Build it. Then run it.\n",
      "```sh\n",
      "# fetch. The package\n",
      "curl x\n\n",
      "make\n",
      "```\n",
      "- ~~~\n  nested\n  ~~~\n",
      "| port | where |\n|---|---|\n",
      "| 80 | here. There |\n",
      "> ````\n> ```\n> ````\n",
      "End.",
    ].join("");
    const { units: found, structures } = await textUnits(text);
    const shown = found.map(({ begin, end, structure, frame }) => [text.slice(begin, end), structure, frame]);
    expect(shown).toEqual([
      ["Build it. ", undefined, false],
      ["Then run it.\n", undefined, false],
      ["```sh\n", 0, true],
      ["# fetch. The package\n", 0, false],
      ["curl x\n\n", 0, false],
      ["make\n", 0, false],
      ["```\n", 0, true],
      ["- ~~~\n", 1, true],
      ["  nested\n", 1, false],
      ["  ~~~\n", 1, true],
      ["| port | where |\n|---|---|\n", 2, true],
      ["| 80 | here. There |\n", 2, false],
      ["> ````\n", 3, true],
      ["> ```\n", 3, false],
      ["> ````\n", 3, true],
      ["End.", undefined, false],
    ]);
    expect(structures.map(({ kind, frame }) => [kind, frame.length])).toEqual([
      ["fence", 2],
      ["fence", 2],
      ["table", 1],
      ["fence", 2],
    ]);
  });

  test("source is cut at blocks, never inside a comment or string that is framed", async () => {
    const text =
      'import a\n\ndef f():\n    """Says.\n\nMore. Of it.\n    """\n    return 1\n\n# Dr. Smith wrote this. It is old.\nx = 1\n';
    const { units: found, structures } = await textUnits(text, { isSource: true });
    expect(found.map(({ begin, end }) => text.slice(begin, end))).toEqual([
      "import a\n\n",
      text.slice(text.indexOf("def"), text.indexOf("#")),
      "# Dr. Smith wrote this. It is old.\nx = 1\n",
    ]);
    expect(structures.map(({ kind }) => kind)).toEqual(["comment"]);
  });
});
