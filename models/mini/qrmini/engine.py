"""The project's own command, to see an exported model as users will."""

import json
import subprocess
from pathlib import Path


def rerank(repository: Path, model: Path, query: str, documents: list[dict], heads: str, *extra: str) -> dict:
    """`qrhead rerank --json` from the sources of the repository."""
    command = [
        str(repository / "node_modules/.bin/tsx"), str(repository / "src/cli/main.ts"), "rerank", "--model", str(model),
        "--query", query, "--docs", "-", "--heads", heads, "--json", "--gpu", "false", *extra,
    ]
    text = "\n".join(json.dumps(document) for document in documents)
    done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=repository)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return json.loads(done.stdout)


def retrieval_heads(config) -> str:
    """The trained heads as `--heads` takes them."""
    return ",".join(f"{layer}-{head}" for layer in config.retrieval for head in range(config.heads))
