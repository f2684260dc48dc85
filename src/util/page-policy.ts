import { createHash } from "node:crypto";

/**
 * The Content-Security-Policy of a page that needs nothing but itself, as a `meta` element: no network, no forms, and no
 * script but this one, whose hash the policy names. Whatever else ran would have come with somebody's text.
 *
 * @param script The exact content of the page's one script element; none for a page without.
 */
export function pagePolicy(script?: string): string {
  const scripts =
    script === undefined ? "" : `; script-src 'sha256-${createHash("sha256").update(script).digest("base64")}'`;
  const policy = `default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'${scripts}`;
  return `<meta http-equiv="Content-Security-Policy" content="${policy}">`;
}
