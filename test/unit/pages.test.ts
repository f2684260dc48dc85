import { createHash } from "node:crypto";
import { parseHTML } from "linkedom";
import { expect, test } from "vitest";
import { plotPage } from "../../src/heads/plot-page.ts";
import { inspectionPage } from "../../src/inspect/page.ts";

const evil = `"'><script>alert(1)</script><img src=x onerror=alert(2)></title></style><!--\u001b[31m\u202e`;

const pages = {
  map: await plotPage(
    {
      ...{
        format: "qrhead-heads",
        version: 1,
        heads: [[0, 1]],
        scores: [[0, 1]],
        objective: evil,
        source: { name: evil },
      },
      model: { name: evil, architecture: evil, layers: 1, heads: 2 },
    },
    evil,
  ),
  inspection: inspectionPage(
    {
      query: evil,
      documents: [{ id: evil, score: 1, rawScore: 1, tokens: [evil] }],
      heads: [{ name: "all", calibrated: [[1]], raw: [[1]] }],
      calibrated: true,
      warnings: [],
    },
    { name: evil, headSet: evil },
  ),
};

test.each(Object.entries(pages))(
  "the %s runs no script but its own and loads nothing, whatever the texts",
  (_, html) => {
    const { document } = parseHTML(html);
    const policy = document.querySelector("meta[http-equiv='Content-Security-Policy']")!.getAttribute("content")!;
    const scripts = [...document.querySelectorAll("script")];
    expect(scripts).toHaveLength(1);
    const content = /<script>([\s\S]*)<\/script>/.exec(html)![1]!;
    expect(policy).toContain(`script-src 'sha256-${createHash("sha256").update(content).digest("base64")}'`);
    expect(policy).toContain("default-src 'none'");
    expect(document.querySelectorAll("img, [onerror], link, iframe")).toHaveLength(0);
    expect(html).not.toMatch(/[^\P{Cc}\t\n]|[\u202a-\u202e\u2066-\u2069]/u);
  },
);
