import { withBase } from "vitepress";
import theme from "vitepress/theme";
import { h } from "vue";
import "./style.css";

/** The picture beside the first words of the home page, for both schemes. */
const picture = () =>
  h(
    "div",
    { class: "hero-picture" },
    ["light", "dark"].map((scheme) =>
      h("img", {
        class: `${scheme}-only`,
        src: withBase(`/heat-map-narrow-${scheme}.svg`),
        alt: "Three passages and a question. SmolLM2's retrieval heads attend to the passage that answers it.",
      }),
    ),
  );
const command = () => h("p", { class: "hero-command" }, h("code", "npm install qrhead && npx qrhead demo"));

export default {
  extends: theme,
  Layout: () => h(theme.Layout, null, { "home-hero-image": picture, "home-hero-actions-after": command }),
};
