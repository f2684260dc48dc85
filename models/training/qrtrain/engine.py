"""The project's own command, to see a file as users will."""

import json
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]


def rerank(model: Path, query: str, documents: "list[dict]", heads: str, layout: str) -> dict:
    """`qrhead rerank --json` from the sources of the repository. @param heads As `--heads` takes them."""
    command = [
        str(REPOSITORY / "node_modules/.bin/tsx"), str(REPOSITORY / "src/cli/main.ts"), "rerank", "--model", str(model.resolve()),
        "--query", query, "--docs", "-", "--heads", heads, "--layout", layout, "--json", "--gpu", "false",
    ]
    text = "\n".join(json.dumps(document) for document in documents)
    done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=REPOSITORY)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return json.loads(done.stdout)
