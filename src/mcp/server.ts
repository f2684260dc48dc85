import type { CallToolResult, ServerContext } from "@modelcontextprotocol/server";
import { InputError, isQRHeadError } from "../index.ts";
import { IsolatedRetriever } from "../isolate/index.ts";
import { parseOptions } from "../options/parse.ts";
import { wordError } from "../options/requests.ts";
import { SERVING_TOOLS } from "../options/serving.ts";
import type { McpOptions } from "../options/types/serving.ts";
import { Roots } from "./roots.ts";
import { type Call, DESCRIPTIONS, INPUTS, NAMES, TOOLS, type Toolbox, type ToolName } from "./tools.ts";

const PACKAGE = "@modelcontextprotocol/server";

/**
 * Serves the tools over standard input and output until the client closes them.
 *
 * @throws InputError for a root that does not exist, and where `@modelcontextprotocol/server` is not installed.
 */
export async function serveMcp(options: McpOptions): Promise<void> {
  const { roots, load = {}, generator, version } = parseOptions(SERVING_TOOLS, options) as McpOptions;
  const { McpServer, serveStdio, StdioServerTransport } = await importSdk();
  let loading: Promise<IsolatedRetriever> | undefined;
  const retriever = () => {
    loading ??= IsolatedRetriever.load(load).catch((error: unknown) => {
      loading = undefined;
      throw error;
    });
    return loading;
  };
  const box: Toolbox = { roots: await Roots.open(roots), retriever, generator };
  const handle = serveStdio(
    () => {
      const server = new McpServer({ name: "qrhead", version });
      for (const name of Object.keys(TOOLS) as ToolName[]) {
        const config = {
          ...{ description: DESCRIPTIONS[name], inputSchema: INPUTS[name] },
          annotations: { readOnlyHint: true, openWorldHint: false },
        };
        server.registerTool(name, config, (input: unknown, context: ServerContext) => run(box, name, input, context));
      }
      return server;
    },
    { transport: new StdioServerTransport() },
  );
  await new Promise<void>((resolve) => {
    process.stdin.once("end", resolve);
    process.stdin.once("close", resolve);
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, resolve);
  });
  await handle.close();
  await (await loading?.catch(() => undefined))?.dispose();
}

async function run(box: Toolbox, name: ToolName, input: unknown, { mcpReq }: ServerContext): Promise<CallToolResult> {
  const call: Call = { signal: mcpReq.signal, onProgress: progressTo(mcpReq) };
  try {
    const text = await TOOLS[name](box, input as never, call);
    return { content: [{ type: "text", text }] };
  } catch (error) {
    mcpReq.signal.throwIfAborted();
    if (!isQRHeadError(error)) throw error;
    // The assistant can correct its request.
    return { isError: true, content: [{ type: "text", text: wordError(error, NAMES) }] };
  }
}

/** Tells the client how far a call has come: in phases, each of which counts one. */
function progressTo({ _meta, notify }: ServerContext["mcpReq"]): Call["onProgress"] {
  const progressToken = _meta?.progressToken;
  const phases: string[] = [];
  let most = 0;
  return ({ phase, done, total }) => {
    if (progressToken === undefined) return;
    if (!phases.includes(phase)) phases.push(phase);
    const progress = phases.indexOf(phase) + done / Math.max(1, total);
    // Progress must rise with every report.
    if (progress <= most) return;
    most = progress;
    void notify({ method: "notifications/progress", params: { progressToken, progress, message: phase } }).catch(
      () => {},
    );
  };
}

async function importSdk() {
  try {
    const [sdk, stdio] = await Promise.all([
      import("@modelcontextprotocol/server"),
      import("@modelcontextprotocol/server/stdio"),
    ]);
    return { McpServer: sdk.McpServer, serveStdio: stdio.serveStdio, StdioServerTransport: stdio.StdioServerTransport };
  } catch (error) {
    throw new InputError("INVALID_ARGUMENT", `qrhead mcp needs ${PACKAGE}: npm install ${PACKAGE}`, { cause: error });
  }
}
