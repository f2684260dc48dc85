import type { LoadedModel } from "../model/model.ts";
import type { LoadOptions } from "../options.ts";
import { TextWriter } from "./writer.ts";

/** The weights, and the context that writes, of retrievers that differ in their heads. The last one to leave frees both. */
export class SharedModel {
  readonly model: LoadedModel;
  readonly writer: TextWriter;
  #users = 0;

  constructor(model: LoadedModel, options: LoadOptions) {
    this.model = model;
    this.writer = new TextWriter(model, options);
  }

  enter(): this {
    this.#users++;
    return this;
  }

  /** Call it once for each `enter`, when no work of the caller runs. */
  async leave(): Promise<void> {
    this.#users--;
    if (this.#users > 0) return;
    await this.writer.dispose();
    await this.model.native.dispose();
  }
}
