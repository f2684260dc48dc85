import type { Query } from "../documents/documents.ts";
import { priorList, priorsOf, type WithPrior } from "../documents/priors.ts";
import { InputError } from "../errors.ts";
import type { FusionOptions } from "../ranking/fusion.ts";
import { fusionWith, takesPrior } from "./fuse-option.ts";

/** A question; of a file of queries with its id, and maybe with `prior`, a number per document. */
export type Question = { id?: string; text: string; prior?: Query["prior"] };

/**
 * What each query fuses: the `prior` of its own line, else that of the documents, else what `--fuse` says.
 *
 * @param given `--fuse`.
 * @param documents Undefined where they are not known yet.
 * @throws InputError for priors that are wrong, that only some have, that stand in both places, or that are those of one query
 * while there are several.
 */
export function fusionsOf(
  queries: readonly Question[],
  documents: readonly WithPrior[] | undefined,
  given: FusionOptions = {},
): FusionOptions[] {
  const own = takesPrior(given) ? priorsOf(documents ?? []) : undefined;
  const first = takesPrior(given) ? queries.find(({ prior }) => prior != null) : undefined;
  if (own && first) {
    throw wrong('Expected "prior" in the documents or in the lines of the queries but received both');
  }
  if (own && queries.length > 1) {
    throw wrong(`Expected one query for documents with a "prior" but received ${queries.length}`, {
      advice: 'give every line of the queries a list "prior", one number per document',
    });
  }
  return queries.map(({ id, prior }) => {
    if (!first) return fusionWith(given, own);
    if (prior == null)
      throw wrong(`query ${JSON.stringify(id)} has no "prior", but query ${JSON.stringify(first.id)} has one`);
    return fusionWith(given, priorList(prior, documents?.length, `query ${JSON.stringify(id)}`));
  });
}

function wrong(message: string, more: { advice?: string } = {}): InputError {
  return new InputError("INVALID_INPUT", message, more);
}
