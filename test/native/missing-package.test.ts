// A platform whose package of libraries is not installed, as npm leaves it where the registry lacks it.
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { loadAddon } from "../../src/native/addon.ts";
import { loadLibrary } from "../../src/native/library.ts";

// Before the machine seems to be another: a checkout with prebuilt addons alone has none for that.
beforeAll(() => void loadAddon());
afterEach(() => vi.restoreAllMocks());

test("the error names the package, its release, and what to do where the registry lacks it", async () => {
  vi.spyOn(process, "arch", "get").mockReturnValue("riscv64");
  const error = await loadLibrary({ gpu: false }).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ name: "QRHeadError", code: "LIBRARY_NOT_FOUND" });
  const { message, advice } = error as { message: string; advice: string };
  const name = `@node-llama-cpp/${process.platform === "win32" ? "win" : process.platform === "darwin" ? "mac" : "linux"}-riscv64`;
  expect(message).toContain(`${name}: is not installed`);
  expect(advice).toMatch(new RegExp(`^run npm install ${name}@\\d+\\.\\d+\\.\\d+ \\(where npm finds no such version`));
  expect(advice).toContain("QRHEAD_LLAMA_DIR");
});

test("the error leads with the package of the CPU, which is the smallest", async () => {
  vi.spyOn(process, "arch", "get").mockReturnValue("riscv64");
  vi.spyOn(process, "platform", "get").mockReturnValue("linux");
  const error = await loadLibrary({ gpu: "auto" }).catch((reason: unknown) => reason);
  const { advice, message } = error as { advice: string; message: string };
  expect(advice).toMatch(/^run npm install @node-llama-cpp\/linux-riscv64@\S+[, ]/);
  expect(message.match(/npm install/g)).toHaveLength(1);
});
