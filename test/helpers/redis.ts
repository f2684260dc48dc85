import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

/** Whether this machine has a Redis to start (Debian: `apt-get install redis-server`). */
export const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;

/** What stands in a test's name where it cannot run. */
export const NEEDS_REDIS = hasRedis ? "" : " (skipped: no redis-server; apt-get install redis-server)";

export type OwnRedis = { url: string; stop(): Promise<void>; start(): Promise<void>; remove(): Promise<void> };

/** A Redis of its own, on a free port, which keeps nothing on the disk. */
export async function startRedis(): Promise<OwnRedis> {
  const port = await freePort();
  const folder = mkdtempSync(path.join(tmpdir(), "qrhead-redis-"));
  let child: ChildProcess | undefined;
  const start = async () => {
    const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder];
    const started = spawn("redis-server", args, { stdio: ["ignore", "pipe", "ignore"] });
    child = started;
    let said = "";
    await new Promise<void>((resolve, reject) => {
      started.stdout.setEncoding("utf8").on("data", (text: string) => {
        said += text;
        if (/Ready to accept connections/.test(said)) resolve();
      });
      started.once("exit", () => reject(new Error(`redis-server ended: ${said}`)));
    });
  };
  const stop = async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  };
  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    start,
    stop,
    async remove() {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
