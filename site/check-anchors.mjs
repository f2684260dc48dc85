// VitePress fails for links to pages that do not exist. This looks for links to headings that do not exist, and for pictures and
// pages that the built site lacks, in the HTML that was built.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const dist = path.join(path.dirname(fileURLToPath(import.meta.url)), ".vitepress", "dist");
const base = process.env.QRHEAD_SITE_BASE ?? "/";
const pages = readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".html"));
const htmlOf = new Map(pages.map((file) => [file.replaceAll("\\", "/"), readFileSync(path.join(dist, file), "utf8")]));
const idsOf = new Map(
  [...htmlOf].map(([file, html]) => [file, new Set([...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id))]),
);
const plain = (text) => text.replaceAll("&amp;", "&").replaceAll("&quot;", '"');

/** The built page of a path without its ending. */
function pageOf(pathname) {
  const name = pathname.replace(/^\//, "").replace(/\.html$/, "");
  return [name, `${name}.html`, path.posix.join(name, "index.html")].find((one) => htmlOf.has(one));
}

const problems = new Set();
for (const [file, html] of htmlOf) {
  for (const [, attribute, raw] of html.matchAll(/\s(href|src)="([^"]+)"/g)) {
    const url = new URL(plain(raw), `http://site${base}${file}`);
    if (url.host !== "site") continue;
    const pathname = decodeURIComponent(url.pathname).slice(base.length - 1);
    if (/\.(?!html$)\w+$/.test(pathname) && existsSync(path.join(dist, pathname))) continue;
    const page = pageOf(pathname);
    const id = decodeURIComponent(url.hash.slice(1));
    if (!page) problems.add(`${file}: ${attribute} ${raw} is not in the site`);
    else if (id && !idsOf.get(page).has(id) && !html.includes(`href="${raw}" class="VPSkipLink`))
      problems.add(`${file}: ${raw} names no heading of ${page}`);
  }
}
for (const problem of problems) console.error(problem);
console.log(`${htmlOf.size} pages, ${problems.size} dead links or anchors`);
process.exitCode = problems.size === 0 ? 0 : 1;
