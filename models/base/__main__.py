"""`python3 models/base COMMAND`: the training of the base model, one command a step."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "mini")]

from qrbase.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
