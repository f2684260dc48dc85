// Models that are named and not there yet.
import { afterEach, expect, test, vi } from "vitest";
import { QRRetriever } from "../../src/index.ts";

afterEach(() => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
});

test("a name of the catalogue that was not fetched says how to fetch it", async () => {
  const advice = "fetch it with `qrhead models pull llama-3.2-3b`, and use the name that this prints";
  await expect(QRRetriever.load({ model: "llama-3.2-3b", gpu: false })).rejects.toMatchObject({ advice });
});

test.each(["hf:foo", "hf:owner/", "hf:", "huggingface:/x", "http://", "http://localhost:99999/x.gguf"])(
  "%s is refused as no name, without a look at the network",
  async (model) => {
    vi.stubGlobal("fetch", () => expect.unreachable("it asks a server"));
    const loading = QRRetriever.load({ model, gpu: false });
    await expect(loading).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(loading).rejects.toThrow(/names no model: use hf:OWNER/);
  },
);

test("a model on a server that cannot be reached is refused at once", async () => {
  vi.stubEnv("HF_ENDPOINT", "http://127.0.0.1:2");
  const loading = QRRetriever.load({ model: "hf:owner/repository/none.gguf", gpu: false });
  await expect(loading).rejects.toMatchObject({ code: "MODEL_LOAD_FAILED" });
  await expect(loading).rejects.toThrow(/none\.gguf: 127\.0\.0\.1:2 cannot be reached \(ECONNREFUSED\): is this/);
});
