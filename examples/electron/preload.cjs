// All that the page can do. A sandboxed preload is CommonJS.
const { contextBridge, ipcRenderer } = require("electron");

contextBridge.exposeInMainWorld("notes", {
  chooseFolder: () => ipcRenderer.invoke("choose-folder"),
  rank: (question) => ipcRenderer.invoke("rank", question),
  onProgress: (listener) => {
    ipcRenderer.on("progress", (_, progress) => listener(progress));
  },
});
