// The same without a window: npm run rank -- "QUESTION" FOLDER
import { FolderRanking } from "./folder-ranking.js";

const [question = "When is the apple tree pruned?", folder = "notes"] = process.argv.slice(2);
const ranking = await FolderRanking.open({ gpu: false });
try {
  console.log(`${await ranking.read(folder)} files`);
  for (const { id } of await ranking.rank(question, 3)) console.log(id);
} finally {
  await ranking.close();
}
