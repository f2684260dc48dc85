"""`python3 models/mini COMMAND`: the pipeline of the built-in model, one command a step."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from qrmini.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
