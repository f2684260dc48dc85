import type { Span } from "../types.ts";
import type { Splitter } from "./splitter.ts";
import type { TokenMap } from "./token-map.ts";

/** A stretch of a text on its way to become a chunk, and the level of the cut at its beginning: the higher, the finer. */
export type Piece = { begin: number; end: number; level: number };

/** Fewer tokens than this make no chunk beside longer ones; a quarter of the size where that is less. */
const SHORTEST = 16;

/**
 * Joins short pieces to a neighbour: the one behind the finer cut if it has room, else the other one. If neither has room, the
 * short piece takes text from one of them. Without a limit only blank pieces are joined. Changes the pieces that it is given.
 */
export function* withoutTails(
  text: string,
  pieces: Piece[],
  { tokens, limit, levels }: { tokens: TokenMap; limit: number | undefined; levels: readonly Splitter[] },
): Generator<Piece | undefined> {
  const shortest = Math.min(SHORTEST, Math.floor((limit ?? 0) / 4));
  const fits = (begin: number, end: number) => limit === undefined || tokens.count([begin, end]) <= limit;
  let before: Piece | undefined;
  for (let i = 0; i < pieces.length; i++) {
    const piece = pieces[i]!;
    let next = pieces[i + 1];
    while (isShort(piece)) {
      const nextFirst = next !== undefined && piece.level < next.level;
      const withNext = next && fits(piece.begin, next.end);
      const withBefore = before && fits(before.begin, piece.end);
      if (withNext && (nextFirst || !withBefore)) {
        piece.end = next!.end;
        next = pieces[++i + 1];
        continue;
      }
      if (withBefore) {
        piece.begin = before!.begin;
        piece.level = before!.level;
        before = undefined;
      } else if (!(nextFirst && shareWith(piece, next!)) && !(before && shareWith(before, piece))) {
        if (next) shareWith(piece, next);
      }
      break;
    }
    if (before) yield before;
    else yield;
    before = piece;
  }
  if (before) yield before;

  /** Moves the cut between two neighbours to where both sides have enough; false where there is no such place. */
  function shareWith(first: Piece, second: Piece): boolean {
    const cut = fairCut(first.begin, second.end);
    if (cut === undefined) return false;
    first.end = cut;
    second.begin = cut;
    return true;
  }

  function isShort({ begin, end }: Piece): boolean {
    if (isBlank(begin, end)) return true;
    return limit !== undefined && tokens.count([begin, end]) < shortest;
  }

  function isBlank(begin: number, end: number): boolean {
    return text.slice(begin, end).trim() === "";
  }

  /** A cut that leaves both sides about alike, at the coarsest of sentences, lines and words that has one. */
  function fairCut(begin: number, end: number): number | undefined {
    if (isBlank(begin, end)) return;
    const all = tokens.count([begin, end]);
    const isFair = (cut: number) => {
      const sides: Span[] = [
        [begin, cut],
        [cut, end],
      ];
      return sides.every(([from, to]) => {
        const count = tokens.count([from, to]);
        return count <= limit! && count >= Math.max(1, shortest) && !isBlank(from, to);
      });
    };
    for (const splitter of levels) {
      let best: { cut: number; distance: number } | undefined;
      for (const cut of splitter([begin, end])) {
        if (cut === undefined || !isFair(cut)) continue;
        const distance = Math.abs(tokens.count([begin, cut]) - all / 2);
        if (!best || distance < best.distance) best = { cut, distance };
      }
      if (best) return best.cut;
    }
    const middle = tokens.endAfter(begin, Math.ceil(all / 2));
    return middle < end && isFair(middle) ? middle : undefined;
  }
}
