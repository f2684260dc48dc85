import { describe, expect, test } from "vitest";
import { bootstrapExamples, type Needle } from "../../src/detect/bootstrap.ts";
import { BOOTSTRAP_TEXT } from "../../src/detect/bootstrap-text.ts";
import { normalizeExamples } from "../../src/detect/examples.ts";
import { passagesOf, wordsOf } from "../../src/detect/passages.ts";

const own = [BOOTSTRAP_TEXT];
const goldOf = (example: ReturnType<typeof bootstrapExamples>[number]) => {
  const [gold] = normalizeExamples([example]);
  return gold!.docs.find(({ id }) => id === gold!.gold[0])!.text;
};

describe("passages", () => {
  test("are the paragraphs of the text that comes with the project", () => {
    const passages = passagesOf(own);
    expect(passages.map(({ sentences }) => sentences.join(" "))).toEqual(BOOTSTRAP_TEXT.trim().split("\n\n"));
    expect(Buffer.byteLength(BOOTSTRAP_TEXT)).toBeLessThan(30_000);
  });

  test("join short paragraphs, cut long ones, and never cross texts", () => {
    const sentence = (n: number) => `Sentence number ${n} says that it has exactly ten words here.`;
    const paragraph = (...numbers: number[]) => numbers.map(sentence).join(" ");
    const short = [paragraph(1, 2), paragraph(3, 4), paragraph(5), paragraph(6)].join("\n\n");
    const long = paragraph(...Array.from({ length: 25 }, (_, index) => index + 100));
    const passages = passagesOf([short, long]);
    expect(passages.map(({ text, sentences }) => [text, sentences.length])).toEqual([
      [0, 5],
      [1, 10],
      [1, 10],
      [1, 5],
    ]);
    expect(passages[1]!.sentences[0]).toBe(sentence(100));
  });

  test("know other scripts, Markdown, and text without stops", () => {
    const chinese = "天空是蓝色的，因为空气散射阳光。海洋也常常是蓝色的，它反射着天空。冬天的雪覆盖了山和田野。".repeat(
      3,
    );
    expect(passagesOf([chinese])[0]!.sentences[0]).toBe("天空是蓝色的，因为空气散射阳光。");
    const markdown = `# A heading here\n\n${"- The first point is made of these words. ".repeat(20)}`;
    expect(passagesOf([markdown])[0]!.sentences[0]).toBe("A heading here");
    const endless = passagesOf([Array.from({ length: 400 }, (_, index) => `word${index}`).join(" ")]);
    expect(endless[0]!.sentences.map((part) => wordsOf(part).length)).toEqual([60, 60, 60]);
  });
});

describe("passages in scripts without spaces", () => {
  // Thai has no stops: its spaces stand between clauses.
  test.each([
    ["Chinese", "灯塔用很远就能看见的灯光标出危险的海岸。每一座都按照自己的节奏闪烁，航海的人因此能够分辨它们。"],
    [
      "Japanese",
      "灯台は遠くから見える光で危険な海岸を示します。それぞれが独自のリズムで点滅するので船乗りは見分けられます。",
    ],
    ["Thai", "ประภาคารส่องแสงให้เรือเห็นชายฝั่งที่อันตรายจากระยะไกล แต่ละแห่งกะพริบด้วยจังหวะของตัวเอง นักเดินเรือจึงแยกได้ "],
  ])("of %s are as long as English ones, in letters", (_, text) => {
    const passages = passagesOf([Array.from({ length: 60 }, (_, index) => `${text}${index} `).join("")]);
    expect(passages.length).toBeGreaterThan(10);
    for (const { sentences } of passages) {
      const { length } = sentences.join("");
      expect(length).toBeGreaterThan(60);
      expect(length).toBeLessThan(260);
    }
    const texts = passages.map(({ sentences }) => sentences.join(" "));
    expect(normalizeExamples(bootstrapExamples(texts, { examples: 6, documents: 4 }))).toHaveLength(6);
  });
});

describe("examples", () => {
  test.each(["fact", "sentence", "cloze", "keywords", "mixed"] as const)(
    "with needle %s are sound, and the same for the same seed",
    (needle) => {
      const examples = bootstrapExamples(own, { needle, examples: 40, documents: 10, seed: 3 });
      // Throws for anything wrong: gold that is no document, ids that occur twice.
      expect(normalizeExamples(examples)).toHaveLength(40);
      expect(examples.every(({ docs }) => docs!.length === 10)).toBe(true);
      expect(bootstrapExamples(own, { needle, examples: 40, documents: 10, seed: 3 })).toEqual(examples);
      expect(bootstrapExamples(own, { needle, examples: 40, documents: 10, seed: 4 })).not.toEqual(examples);
    },
  );

  test("have the gold document at every place equally often", () => {
    const places = bootstrapExamples(own, { examples: 40, documents: 8 }).map(({ gold }) => Number(gold![0]));
    for (let place = 0; place < 8; place++) expect(places.filter((other) => other === place)).toHaveLength(5);
  });

  test("of a fact ask for a name that one document alone gives a number", () => {
    for (const example of bootstrapExamples(own, { needle: "fact", examples: 20 })) {
      const name = /^What is the access code for (.+)\?$/.exec(example.query!)![1]!;
      const codes = example.docs!.map(
        (document) => /access code for (.+?) is (\d{5})\./.exec((document as { text: string }).text)!,
      );
      expect(codes.filter((code) => code[1] === name)).toHaveLength(1);
      expect(goldOf(example)).toContain(`access code for ${name} is `);
      expect(new Set(codes.map((code) => code[1])).size).toBe(20);
      // The name stands in the sentence and nowhere else.
      const words = wordsOf(name);
      for (const [index, document] of example.docs!.entries()) {
        const rest = wordsOf((document as { text: string }).text.replace(codes[index]![0], ""));
        expect(rest.filter((word) => words.includes(word))).toEqual([]);
      }
    }
  });

  test("of a sentence hold it in the gold document alone; a cloze takes one from every document", () => {
    for (const example of bootstrapExamples(own, { needle: "sentence", examples: 20 })) {
      const holders = example.docs!.filter((document) => (document as { text: string }).text.includes(example.query!));
      expect(holders).toHaveLength(1);
      expect(goldOf(example)).toContain(example.query);
    }
    const passages = passagesOf(own).map(({ sentences }) => sentences);
    for (const example of bootstrapExamples(own, { needle: "cloze", examples: 20 })) {
      expect(goldOf(example)).not.toContain(example.query);
      const whole = passages.find((sentences) => sentences.includes(example.query!))!;
      expect(goldOf(example)).toBe(whole.filter((sentence) => sentence !== example.query).join(" "));
      for (const document of example.docs!) {
        expect(passages.map((sentences) => sentences.join(" "))).not.toContain((document as { text: string }).text);
      }
    }
  });

  test("of keywords take words that no other document has", () => {
    for (const example of bootstrapExamples(own, { needle: "keywords", examples: 20 })) {
      const keywords = example.query!.split(" ");
      expect(keywords).toHaveLength(4);
      const gold = wordsOf(goldOf(example));
      for (const keyword of keywords) {
        expect(gold).toContain(keyword);
        const holders = example.docs!.filter((document) =>
          wordsOf((document as { text: string }).text).includes(keyword),
        );
        expect(holders).toHaveLength(1);
      }
    }
  });

  test("take neighbours of the same text as hard negatives", () => {
    const texts = BOOTSTRAP_TEXT.trim().split("\n\n");
    const [first, second] = [texts.slice(0, 22).join("\n\n"), texts.slice(22).join("\n\n")];
    for (const example of bootstrapExamples([first, second], { needle: "keywords", examples: 20, documents: 9 })) {
      const own = first.includes(goldOf(example)) ? first : second;
      const near = example.docs!.filter((document) => own.includes((document as { text: string }).text));
      expect(near.length).toBeGreaterThanOrEqual(5);
    }
  });

  test("never show the gold passage twice, nor ask for a sentence that stands in several", () => {
    const passages = BOOTSTRAP_TEXT.trim().split("\n\n").slice(0, 8);
    const footer = "All of this may be copied and given away.";
    const repeated = [...passages, ...passages].map((passage) => `${passage} ${footer} Next.`).join("\n\n");
    for (const example of bootstrapExamples([repeated], { needle: "sentence", examples: 60, documents: 50 })) {
      expect(example.docs).toHaveLength(8);
      expect(example.query).not.toBe(footer);
      const holders = example.docs!.filter((document) => (document as { text: string }).text.includes(example.query!));
      expect(holders).toHaveLength(1);
    }
  });

  test("have fewer documents where the text has fewer passages", () => {
    const small = BOOTSTRAP_TEXT.trim().split("\n\n").slice(0, 6).join("\n\n");
    expect(bootstrapExamples([small], { documents: 50, needle: "fact" })[0]!.docs).toHaveLength(6);
  });
});

test.each<[texts: unknown, options: object, message: RegExp]>([
  [[""], {}, /^The bootstrap text has 0 passages of about 70 words: expected at least 4/],
  [["Too short. By far. Indeed."], { sourceName: "notes.txt" }, /^notes\.txt has 0 passages/],
  ["text", {}, /^Expected an array of strings for texts/],
  [
    own,
    { needle: "hay" as Needle },
    /^Expected one of mixed, fact, sentence, cloze, keywords for needle but received "hay"/,
  ],
  [own, { examples: 0 }, /^Expected an integer from 1 to 1048576 for examples but received 0/],
  [own, { documents: 3 }, /^Expected an integer from 4 to 65536 for documents but received 3/],
  [own, { seed: -1 }, /^Expected an integer from 0 to 4294967295 for seed/],
])("%j with %o is refused", (texts, options, message) => {
  expect(() => bootstrapExamples(texts as string[], options)).toThrow(message);
});
