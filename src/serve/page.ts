import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Context, Env, Hono } from "hono";

const FOLDER = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..", "pages", "serve");
const FILES: Readonly<Record<string, [file: string, type: string]>> = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/page/page.css": ["page.css", "text/css; charset=utf-8"],
  "/page/page.js": ["page.js", "text/javascript; charset=utf-8"],
  "/page/view.js": ["view.js", "text/javascript; charset=utf-8"],
};
/** Nothing but the page's own files and the server itself, and in no frame of another page. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** `GET /`: a page to try the server with. */
export function addPage<E extends Env>(app: Hono<E>): void {
  for (const [route, [file, type]] of Object.entries(FILES)) {
    const content = readFileSync(path.join(FOLDER, file), "utf8");
    app.get(route, (c: Context) => {
      c.set("route", "page");
      return c.body(content, 200, {
        "content-type": type,
        "content-security-policy": POLICY,
        "referrer-policy": "no-referrer",
        "cache-control": "no-cache",
      });
    });
  }
}
