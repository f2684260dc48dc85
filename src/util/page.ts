import { createHash } from "node:crypto";
import { UNPRINTABLE } from "./unprintable.ts";

/** What every page has in light and dark: colours of text, of quiet text, of the paper and of lines. */
const STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #59636e; --paper: #fff; --line: #d8dce2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --dim: #a1a8b0; --paper: #16181b; --line: #3a3e44; } }
body { margin: 0 auto; padding: 1.5rem; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }`;

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Text of others for HTML, also inside an attribute. What cannot be printed shows as U+FFFD. */
export function escapeHtml(text: string): string {
  return text.replace(UNPRINTABLE, "\ufffd").replace(/[&<>"']/g, (sign) => ENTITIES[sign]!);
}

/**
 * A page that needs nothing but itself. Its Content-Security-Policy allows no network, no forms and no script but this one,
 * whose hash it names: whatever else ran would have come with somebody's text.
 *
 * @param page `title`: text. `style`, `body`: CSS and HTML. `script`: the page's one script; none for a page without.
 */
export function htmlPage(page: { title: string; style: string; body: string; script?: string }): string {
  const { title, style, body, script } = page;
  const allowed =
    script === undefined ? "" : `; script-src 'sha256-${createHash("sha256").update(script).digest("base64")}'`;
  const policy = `default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'${allowed}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${escapeHtml(title)}</title><style>${STYLE}${style}</style></head><body>
${body}${script === undefined ? "" : `\n<script>${script}</script>`}
</body></html>
`;
}
