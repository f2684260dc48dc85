const DEBOUNCE_MS = 150;
const [button, input, status, list] = ["button", "input", "[role=status]", "ol"].map((one) =>
  document.querySelector(one),
);
let timer;

button.addEventListener("click", async () => {
  await said(async () => {
    const chosen = await window.notes.chooseFolder();
    if (!chosen) return "";
    input.disabled = false;
    input.focus();
    return `${chosen.files} files of ${chosen.folder}`;
  });
});

// Typing on begins a new call, and the main process stops the one that runs.
input.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(() => said(rank), DEBOUNCE_MS);
});
document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());

window.notes.onProgress(({ phase, done, total }) => {
  const words = { download: "Downloading the model", load: "Loading the model", prefill: "Reading the folder" };
  if (words[phase]) status.textContent = `${words[phase]} ${Math.floor((100 * done) / Math.max(1, total))}%`;
});

async function rank() {
  const results = await window.notes.rank(input.value);
  if (results === null) return status.textContent;
  list.replaceChildren(
    ...results.map(({ id, text }) => {
      const item = document.createElement("li");
      const name = document.createElement("strong");
      const excerpt = document.createElement("p");
      name.textContent = id;
      excerpt.textContent = text;
      item.append(name, excerpt);
      return item;
    }),
  );
  return "";
}

async function said(work) {
  try {
    status.textContent = await work();
  } catch (error) {
    status.textContent = error.message;
  }
}
