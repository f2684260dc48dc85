import { showCurl, showHeat, showKept, showNothingKept, showRanking, showStatus, showTimings } from "./view.js";

const element = (id) => document.getElementById(id);
const form = element("form");
const go = element("go");

/** Files that were added: their name, which is the document's title, and text. */
const files = [];
let running;

const EXAMPLE = {
  query: "Where is the Eiffel Tower?",
  texts: [
    "Bananas are yellow when they are ripe. They are picked green and ripen on their way.",
    "It was built for the world's fair of 1889 and was meant to stand for twenty years. The Eiffel Tower stands in Paris, near the river Seine. Seven million people climb it every year. Some of them take the stairs.",
    "The Tower of London is a castle on the Thames. Ravens live in it.",
    "Towers of water store what a town needs in the morning.",
  ],
};

function readDocuments() {
  const pasted = element("texts")
    .value.split(/\n\s*\n/)
    .map((text) => ({ text: text.trim() }))
    .filter(({ text }) => text !== "");
  return [...pasted, ...files.map(({ name, text }) => ({ title: name, text }))];
}

function showCount() {
  const { length } = readDocuments();
  element("count").textContent = `${length} ${length === 1 ? "document" : "documents"}`;
  element("list").replaceChildren(
    ...files.map((file) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.className = "file-button";
      button.textContent = `${file.name} ✕`;
      button.setAttribute("aria-label", `Remove ${file.name}`);
      button.addEventListener("click", () => {
        files.splice(files.indexOf(file), 1);
        showCount();
      });
      item.append(button);
      return item;
    }),
  );
}

async function addFiles(list) {
  for (const file of list) {
    const text = await file.text();
    if (text.trim() === "") showStatus(`${file.name} is empty and was left out.`, true);
    else if (text.includes("\u0000")) showStatus(`${file.name} is not text and was left out.`, true);
    else files.push({ name: file.name, text });
  }
  showCount();
}

/** Sends a body and gives the answer; an error is thrown with the server's sentence. */
async function call(path, body, signal) {
  const key = element("key").value;
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...(key && { authorization: `Bearer ${key}` }) },
    body: JSON.stringify(body),
    signal,
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.message ?? `The server answered ${response.status}.`);
  return { answer, timing: response.headers.get("server-timing") };
}

async function rank(signal) {
  const documents = readDocuments();
  const query = element("query").value.trim();
  if (query === "") throw new Error("Type a question first.");
  if (documents.length === 0) throw new Error("Paste a document first, or add a file.");
  const model = element("model").value || undefined;
  const body = { ...(model && { model }), query, documents };
  const began = performance.now();
  showStatus(`Ranking ${documents.length} documents …`);
  const { answer, timing } = await call(
    "v1/rerank",
    { ...body, return_token_scores: true, return_raw_scores: true },
    signal,
  );
  const [best] = answer.results;
  showRanking(answer.results, documents);
  showTimings(timing, performance.now() - began, answer.usage);
  showHeat(best.tokens);
  showCurl(new URL("v1/rerank", location.href).href, body, element("key").value !== "");
  element("answer").hidden = false;
  showStatus("");
  const { text } = documents[best.index];
  const budget_tokens = Number(element("budget").value) || 40;
  try {
    const pruned = await call("v1/prune", { ...(model && { model }), query, text, budget_tokens }, signal);
    showKept(text, pruned.answer);
  } catch (error) {
    if (signal.aborted) throw error;
    showNothingKept(error.message);
  }
}

async function submit() {
  running?.abort();
  const controller = new AbortController();
  running = controller;
  go.textContent = "Stop";
  try {
    await rank(controller.signal);
    element("answer").focus({ preventScroll: true });
    element("answer").scrollIntoView({ block: "start" });
  } catch (error) {
    if (!controller.signal.aborted) showStatus(error.message, true);
  } finally {
    if (running === controller) {
      running = undefined;
      go.textContent = "Rank";
    }
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (running) {
    running.abort();
    showStatus("Stopped.");
  } else void submit();
});
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
element("texts").addEventListener("input", showCount);
element("files").addEventListener("change", async ({ target }) => {
  await addFiles(target.files);
  target.value = "";
});
element("example").addEventListener("click", () => {
  element("query").value = EXAMPLE.query;
  element("texts").value = EXAMPLE.texts.join("\n\n");
  showCount();
});
element("clear").addEventListener("click", () => {
  element("texts").value = "";
  files.length = 0;
  showCount();
  element("texts").focus();
});
element("copy").addEventListener("click", async () => {
  const done = await navigator.clipboard?.writeText(element("curl").textContent).then(
    () => true,
    () => false,
  );
  element("copied").textContent = done ? "Copied." : "Select the text below to copy it.";
});

let inside = 0;
addEventListener("dragenter", () => {
  inside += 1;
  document.body.classList.add("dropping");
});
const leave = () => {
  inside = Math.max(0, inside - 1);
  document.body.classList.toggle("dropping", inside > 0);
};
addEventListener("dragleave", leave);
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  inside = 0;
  leave();
  void addFiles(event.dataTransfer.files);
});

async function showModels() {
  const key = element("key").value;
  const response = await fetch("v1/models", { headers: key ? { authorization: `Bearer ${key}` } : {} });
  const select = element("model");
  if (!response.ok) {
    element("settings").open = true;
    showStatus("This server asks for a key: type it in the settings.", true);
    return;
  }
  const { data } = await response.json();
  showStatus("");
  element("served").textContent = data.map(({ id }) => id).join(", ");
  select.replaceChildren(
    ...data.map(({ id }) => {
      const option = document.createElement("option");
      option.value = id;
      option.textContent = id;
      return option;
    }),
  );
}
element("key").addEventListener("change", () => void showModels());

showCount();
void showModels();
