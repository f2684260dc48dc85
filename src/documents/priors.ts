import { InputError } from "../errors.ts";

/** The scores of the search that found documents, as files have them: `prior` of every document, not checked yet. */
export type WithPrior = { id: string; prior?: unknown };

/**
 * The `prior` of every document; undefined where none has one. `null` is none.
 *
 * @param where What messages put before a document's name.
 * @throws InputError `INVALID_INPUT` where only some have one, or one is no finite number.
 */
export function priorsOf(documents: readonly WithPrior[], where = ""): number[] | undefined {
  const first = documents.find(({ prior }) => prior != null);
  if (!first) return undefined;
  const named = ({ id }: WithPrior) => `document ${JSON.stringify(id)}`;
  const at = where && `${where}, `;
  return documents.map((document) => {
    const { prior } = document;
    if (typeof prior === "number" && Number.isFinite(prior)) return prior;
    if (prior != null) throw wrong(`${at}${named(document)} has a wrong "prior": it must be a finite number`);
    throw wrong(`${at}${named(document)} has no "prior", but ${named(first)} has one`);
  });
}

/**
 * A list `prior`, as the line of a query has it; undefined where there is none.
 *
 * @param count Documents of the query, if they are known.
 * @throws InputError `INVALID_INPUT` for what is not one finite number per document.
 */
export function priorList(prior: unknown, count: number | undefined, where: string): number[] | undefined {
  if (prior == null) return undefined;
  const areNumbers = Array.isArray(prior) && prior.every((one) => Number.isFinite(one));
  if (areNumbers && prior.length === (count ?? prior.length)) return prior;
  const expected = `${count === undefined ? "" : `${count} `}finite numbers, one per document`;
  throw wrong(`${where} has a wrong "prior": it must be a list of ${expected}`);
}

function wrong(message: string): InputError {
  return new InputError("INVALID_INPUT", message, {
    advice: 'give every document the score of the search that found it as "prior", or none of them',
  });
}
