// Starts `qrhead serve` and asks it with Cohere's own client. In production the server runs by itself.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { CohereClientV2 } from "cohere-ai";

const model = process.env.QRHEAD_MODEL;
const command = ["node_modules/qrhead/dist/cli/main.js", "serve", "--port", "0", ...(model ? ["-m", model] : [])];
const server = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "inherit"] });
try {
  const cohere = new CohereClientV2({ token: "none", environment: await address(server) });
  const documents = [
    "Grass is green because of chlorophyll.",
    "Air scatters blue light from the sun, so the sky looks blue.",
    "Bread rises because yeast makes gas.",
  ];
  const { results } = await cohere.rerank({ model: "any", query: "Why is the sky blue?", documents, topN: 1 });
  for (const { index, relevanceScore } of results) console.log(`${relevanceScore.toFixed(2)}  ${documents[index]}`);
} finally {
  server.kill();
  await once(server, "exit");
}

/** The server prints one line when it is ready. */
async function address({ stdout }: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: stdout! })) {
    const url = /listening on (\S+)/.exec(line)?.[1];
    if (url) return url;
  }
  throw new Error("The server ended before it was ready");
}
