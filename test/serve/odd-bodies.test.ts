// Every property of every body that the OpenAPI document names, with values that it may not expect: an answer as the document
// describes it, or an error that says what is wrong. Never an error of the server's own.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import type { RunningServer } from "../../src/serve/server.ts";
import { send, serveTiny } from "../helpers/server.ts";

const query = "Where is the tower?";
const documents = ["Bananas are yellow.", "The tower stands in Paris."];
/** A body that each route takes. */
const BODIES: Record<string, Record<string, unknown>> = {
  "/v1/rerank": { query, documents },
  "/v2/rerank": { query, documents },
  "/rerank": { query, texts: documents },
  "/v1/prune": { query, text: documents.join(" "), budget_tokens: 10 },
  "/v1/retrieve": { query, documents },
};
const ODD: unknown[] = [
  ...[null, true, 0, -1, 1.5, 7, 2 ** 53, 1e308, "", " ", "auto", "\0", "\ud800", "x ".repeat(2000)],
  ...[[], [null], [""], [[]], [{}], ["a", 1], [{ text: 1 }], [{ text: "a", title: [] }]],
  ...[{ weight: 2 }, { weight: "a" }, { weight: 0.5, colour: 1 }],
  ...[{}, { text: "a" }, JSON.parse('{"__proto__": {"text": "a"}}')],
];
const TOLD = [400, 413, 422];

type Body = { properties?: Record<string, unknown>; anyOf?: Body[] };
type Operation = {
  requestBody: { content: { "application/json": { schema: Body } } };
  responses: Record<string, { content: { "application/json": { schema: object } } }>;
};

/** The properties of a body, of one route those of two services. */
const namesOf = ({ properties = {}, anyOf = [] }: Body): string[] => [
  ...new Set([...Object.keys(properties), ...anyOf.flatMap(namesOf)]),
];

let server: RunningServer;
let paths: Record<string, { post: Operation }>;

beforeAll(async () => {
  server = await serveTiny({ maxBody: 100_000 });
  ({ paths } = (await (await fetch(`${server.url}/openapi.json`)).json()) as { paths: typeof paths });
});
afterAll(() => server.close());

describe.each(Object.entries(BODIES))("%s", (path, body) => {
  it("answers as it says, or says what is wrong", { timeout: 120_000 }, async () => {
    const { requestBody, responses } = paths[path]!.post;
    // biome-ignore lint/suspicious/noExplicitAny: a JSON schema, as the server writes it.
    const answer = z.fromJSONSchema(responses["200"]!.content["application/json"].schema as any);
    const names = namesOf(requestBody.content["application/json"].schema);
    expect(names).toEqual(expect.arrayContaining(Object.keys(body)));
    const counts = { answered: 0, told: 0 };
    for (const name of [...names, "nobody_knows_this"]) {
      for (const value of ODD) {
        const asked = `${name}: ${JSON.stringify(value)?.slice(0, 60)}`;
        const { status, body: said } = await send(`${server.url}${path}`, { ...body, [name]: value });
        if (status === 200) {
          expect(answer.safeParse(said), asked).toMatchObject({ success: true });
          counts.answered++;
        } else {
          expect(TOLD, `${asked}: ${status} ${JSON.stringify(said)}`).toContain(status);
          expect(JSON.stringify(said), asked).toMatch(/[a-z]{3,}[^a-z]+[a-z]{2,}/i);
          // In words of this server, and by the names of its fields: of no other library, and none of the library's options.
          expect(JSON.stringify(said), asked).not.toMatch(
            /expected (number|string|array)|Too (small|big)|Invalid |Unrec/,
          );
          expect(JSON.stringify(said), asked).not.toMatch(/[a-z](Tokens|Documents|Size|K)\b/);
          expect(JSON.stringify(said), asked).not.toMatch(/TypeError|\bat \/|is not a function|\[object /);
          counts.told++;
        }
      }
    }
    expect(counts.answered).toBeGreaterThan(names.length);
    expect(counts.told).toBeGreaterThan(names.length);
  });
});
