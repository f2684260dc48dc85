// Stands for the package `electron`: its modules as far as examples/electron uses them, in one Node process. The process of
// `utilityProcess` is one of child_process, which gets a `parentPort` as Electron's has it.
import { fork } from "node:child_process";
import { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const handlers = new Map();
/** What the driver looks at. */
export const fake = {
  children: [],
  exposed: {},
  page: undefined,
  folder: undefined,
  preferences: undefined,
  progress: [],
};
globalThis.fakeElectron = fake;

export const app = Object.assign(new EventEmitter(), {
  whenReady: async () => {},
  getPath: () => process.env.USER_DATA,
  quit: () => {
    let prevented = false;
    app.emit("will-quit", { preventDefault: () => (prevented = true) });
    if (!prevented) app.emit("quit");
  },
});
export const dialog = { showOpenDialog: async () => ({ canceled: !fake.folder, filePaths: [fake.folder] }) };
export const ipcMain = { handle: (channel, listener) => handlers.set(channel, listener) };

const ipcRenderer = Object.assign(new EventEmitter(), {
  async invoke(channel, ...args) {
    const event = { senderFrame: { url: fake.url ?? pathToFileURL(fake.page).href } };
    return structuredClone(await handlers.get(channel)(event, ...structuredClone(args)));
  },
});
const contextBridge = { exposeInMainWorld: (name, api) => (fake.exposed[name] = api) };

export class BrowserWindow {
  constructor({ webPreferences }) {
    fake.preferences = webPreferences;
    this.webContents = {
      send: (channel, message) => {
        fake.progress.push(message.phase);
        ipcRenderer.emit(channel, {}, structuredClone(message));
      },
    };
  }
  async loadFile(page) {
    fake.page = page;
    // A sandboxed preload has `electron` and nothing of the application's.
    const require = (name) => {
      if (name === "electron") return { contextBridge, ipcRenderer };
      throw new Error(`module not found: ${name}`);
    };
    new Function("require", readFileSync(fake.preferences.preload, "utf8"))(require);
  }
}

const PORT = `
  const send = process.send.bind(process);
  process.send = undefined;
  process.parentPort = {
    postMessage: (message) => send(message),
    on: (_, listener) => process.on("message", (data) => listener({ data })),
  };`;

export const utilityProcess = {
  fork(program, args, options) {
    const execArgv = ["--import", `data:text/javascript,${encodeURIComponent(PORT)}`];
    const stdio = ["ignore", "ignore", "pipe", "ipc"];
    const child = fork(program, args, { ...options, execArgv, stdio, serialization: "advanced" });
    fake.children.push({ program, child });
    return Object.assign(Object.create(child), { postMessage: (message) => child.send(message, () => {}) });
  },
};
