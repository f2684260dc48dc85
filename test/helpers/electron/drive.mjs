// Uses the application as its window does, and prints what came of it: node drive.mjs MAIN FOLDER
import { once } from "node:events";
import { pathToFileURL } from "node:url";

const [main, folder] = process.argv.slice(2);
await import(pathToFileURL(main).href);
const fake = globalThis.fakeElectron;
const { notes } = fake.exposed;
const { app } = await import("electron");
const question = "When is the apple tree pruned?";
const seen = { preferences: fake.preferences };

seen.before = await notes.rank(question);
fake.folder = folder;
seen.chosen = await notes.chooseFolder();
const running = notes.rank("When is the apple");
seen.ranked = (await notes.rank(question)).map(({ id }) => id);
// A newer question ends the one that runs.
seen.stopped = await running;
seen.progress = [...new Set(fake.progress)];
seen.program = fake.children[0].program;

const gone = once(fake.children[0].child, "exit");
fake.children[0].child.kill("SIGKILL");
await gone;
seen.again = (await notes.rank(question)).map(({ id }) => id);
seen.processes = fake.children.length;

fake.url = "https://example.com/";
seen.stranger = await notes.rank(question).catch(({ message }) => message);

const ended = Promise.all(fake.children.map(({ child }) => child.exitCode ?? child.signalCode ?? once(child, "exit")));
app.quit();
await ended;
process.stdout.write(JSON.stringify(seen), () => process.exit(0));
