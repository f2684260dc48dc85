/** Path of the GGUF. qrhead finds it by itself; other programs that read GGUF files may want it. */
export declare const modelPath: string;
