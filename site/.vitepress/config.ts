import { defineConfig } from "vitepress";

/** Entries of the package, as typedoc-names.mjs calls them. */
const ENTRIES = [
  "qrhead",
  "qrhead/detect",
  "qrhead/heads",
  "qrhead/eval",
  "qrhead/isolated",
  "qrhead/ai-sdk",
  "qrhead/langchain",
  "qrhead/llamaindex",
];
const BASE = process.env.QRHEAD_SITE_BASE ?? "/";
const DESCRIPTION = "Rerank, prune and retrieve with the attention heads of any GGUF model";
const page = (text: string, link: string) => ({ text, link });

export default defineConfig({
  title: "qrhead",
  description: DESCRIPTION,
  srcDir: "pages",
  base: BASE,
  head: [
    ["link", { rel: "icon", type: "image/svg+xml", href: `${BASE}favicon.svg` }],
    ["meta", { name: "theme-color", content: "#b35900" }],
    ["meta", { property: "og:title", content: "qrhead: your chat model is a reranker" }],
    ["meta", { property: "og:description", content: DESCRIPTION }],
  ],
  // Tables of many columns have the room of the outline.
  transformPageData: ({ relativePath, frontmatter }) => {
    if (relativePath.startsWith("results/")) frontmatter.aside = false;
  },
  cleanUrls: true,
  lastUpdated: false,
  // Dead links fail the build. Files of the repository are linked by their address.
  ignoreDeadLinks: false,
  markdown: {
    // As GitHub does, so that a link works in both.
    anchor: {
      slugify: (title) =>
        title
          .trim()
          .toLowerCase()
          .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
          .replaceAll(/\s/g, "-"),
    },
    theme: { light: "github-light", dark: "github-dark" },
    config: (md) => {
      // Two braces are text in a type, and an expression to Vue.
      // So is what stands in angle brackets, such as <FILE>, but for the few elements that pages use.
      const { html_inline: inline, html_block: block } = md.renderer.rules;
      const tags = /^<\/?(?:img|br|picture|source|wbr)\b|^<a id=|^<\/a>|^<!--/;
      md.renderer.rules.html_inline = (...given) =>
        tags.test(given[0][given[1]]!.content) ? inline!(...given) : md.utils.escapeHtml(given[0][given[1]]!.content);
      // A drawing gets a box to scroll in.
      md.renderer.rules.html_block = (...given) => {
        const { content } = given[0][given[1]]!;
        if (!tags.test(content)) return md.utils.escapeHtml(content);
        return content.startsWith("<img") ? `<div class="drawing">${block!(...given)}</div>` : block!(...given);
      };
      const whole = md.render;
      md.render = (...given) => whole.apply(md, given).replaceAll("{{", "&#123;&#123;");
      // Files of the repository that are no pages are linked where they can be read.
      const render =
        md.renderer.rules.link_open ?? ((tokens, index, options, _, self) => self.renderToken(tokens, index, options));
      md.renderer.rules.link_open = (tokens, index, options, env, self) => {
        const token = tokens[index]!;
        const href = token.attrGet("href") ?? "";
        const outside =
          /^(?:\.\.\/)+((?:packages|models|scripts|bench|examples|native|src|test)\/.*|CONTRIBUTING\.md|LICENSES\.md|SECURITY\.md)$/.exec(
            href,
          );
        if (outside) token.attrSet("href", `https://github.com/qrhead/qrhead/blob/main/${outside[1]}`);
        const data = /^(released-models)\.(json|html)$/.exec(href);
        if (data) token.attrSet("href", `https://github.com/qrhead/qrhead/blob/main/docs/results/${href}`);
        return render(tokens, index, options, env, self);
      };
    },
  },
  themeConfig: {
    logo: { src: "/favicon.svg", alt: "" },
    search: {
      provider: "local",
      options: {
        miniSearch: {
          // Guides stand before the API and the measurements.
          searchOptions: {
            boostDocument: (id: string) => (/\/(?:api|results|engine|parity)\b/.test(id) ? 0.3 : 1),
          },
        },
      },
    },
    outline: [2, 3],
    nav: [
      page("Guide", "/start"),
      page("Options", "/reference/options"),
      page("API", "/api/"),
      page("Results", "/results/README"),
    ],
    socialLinks: [{ icon: "github", link: "https://github.com/qrhead/qrhead" }],
    sidebar: {
      "/api/": [{ text: "API", items: ENTRIES.map((entry) => page(entry, `/api/${entry}`)) }],
      "/": [
        {
          text: "Use it",
          items: [
            page("Start", "/start"),
            {
              ...page("Rank", "/rank"),
              collapsed: true,
              items: [page("Score, share, relevance", "/relevance"), page("Fusion with a first stage", "/fusion")],
            },
            page("Prune", "/prune"),
            { ...page("Ask", "/ask"), collapsed: true, items: [page("Write text", "/generation")] },
            {
              ...page("Corpora and indexes", "/corpus"),
              collapsed: true,
              items: [page("Indexes of many files", "/indexes")],
            },
            { ...page("Server", "/server"), collapsed: true, items: [page("Many machines", "/fleet")] },
            {
              ...page("Integrations", "/adapters"),
              collapsed: true,
              items: [page("MCP", "/mcp"), page("A process of its own", "/isolated")],
            },
            {
              ...page("Electron and bundlers", "/electron"),
              collapsed: true,
              items: [page("Bundlers", "/bundlers")],
            },
            page("Choose a model", "/models"),
            {
              ...page("Find heads", "/heads"),
              collapsed: true,
              items: [
                page("Retrieval heads of Wu et al.", "/retrieval-heads"),
                page("Detection, measured", "/results/detection"),
              ],
            },
            page("Evaluate", "/evaluation"),
          ],
        },
        {
          text: "Understand it",
          items: [
            {
              ...page("How it works", "/how-it-works"),
              collapsed: true,
              items: [page("The engine", "/engine"), page("Agreement", "/parity"), page("Platforms", "/platforms")],
            },
            page("Limits and failures", "/limits"),
            page("What stays stable", "/stability"),
          ],
        },
        {
          text: "Look it up",
          items: [
            page("Command line", "/command-line"),
            page("Commands and options", "/reference/options"),
            page("API", "/api/"),
          ],
        },
        {
          text: "Results",
          items: [
            page("Built-in models", "/results/README"),
            page("Released models", "/results/released-models"),
            page("Speed and memory", "/results/speed"),
            page("CUDA", "/results/cuda"),
            page("Windows", "/results/windows"),
            page("Pruning", "/results/pruning"),
            page("Corpora", "/results/corpora"),
          ],
        },
        {
          text: "Coming from elsewhere",
          items: [page("For the paper's readers", "/paper"), page("Another reranker", "/coming-from")],
        },
      ],
    },
  },
});
