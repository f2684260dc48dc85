import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { app, BrowserWindow, dialog, ipcMain, utilityProcess } from "electron";
import { FolderRanking } from "./folder-ranking.js";

const here = path.dirname(fileURLToPath(import.meta.url));
const page = path.join(here, "window", "index.html");
let window;
let ranking;

/** The model is loaded once, in a process of its own: what ends llama.cpp does not end the application. */
function loaded() {
  ranking ??= FolderRanking.open({
    utilityProcess,
    // The built-in model unless the application names one; URIs are downloaded into the user's data.
    model: process.env.NOTES_MODEL,
    modelsDirectory: path.join(app.getPath("userData"), "models"),
    onProgress: tell,
  }).catch((error) => {
    ranking = undefined;
    throw error;
  });
  return ranking;
}

function tell({ phase, done, total }) {
  window?.webContents.send("progress", { phase, done, total });
}

/** Answers the application's own page alone. */
function handle(channel, listener) {
  ipcMain.handle(channel, (event, ...args) => {
    if (event.senderFrame?.url !== pathToFileURL(page).href) throw new Error("Asked by another page");
    return listener(...args);
  });
}

handle("choose-folder", async () => {
  const { canceled, filePaths } = await dialog.showOpenDialog(window, { properties: ["openDirectory"] });
  if (canceled) return null;
  const files = await (await loaded()).read(filePaths[0], tell);
  return { folder: path.basename(filePaths[0]), files };
});

handle("rank", async (question) => (await loaded()).rank(String(question).slice(0, 1000)));

app.on("web-contents-created", (_, contents) => {
  contents.on("will-navigate", (event) => event.preventDefault());
  contents.setWindowOpenHandler(() => ({ action: "deny" }));
});
app.on("window-all-closed", () => app.quit());
app.on("will-quit", async (event) => {
  if (!ranking) return;
  event.preventDefault();
  const open = ranking;
  ranking = undefined;
  await open.then((one) => one.close()).catch(() => {});
  app.quit();
});

await app.whenReady();
window = new BrowserWindow({
  width: 900,
  height: 700,
  webPreferences: {
    preload: path.join(here, "preload.cjs"),
    contextIsolation: true,
    sandbox: true,
    nodeIntegration: false,
  },
});
await window.loadFile(page);
