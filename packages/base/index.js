import { fileURLToPath } from "node:url";

/** Path of the GGUF. qrhead finds it by itself; other programs that read GGUF files may want it. */
export const modelPath = fileURLToPath(new URL("./qrhead-base-v3-q8_0.gguf", import.meta.url));
