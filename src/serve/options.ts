import { SERVING } from "../options/serving.ts";
import { valuesOf } from "../options/spec.ts";

export type { ServeOptions } from "../options/types/serving.ts";

export const DEFAULTS = valuesOf(SERVING);
