"""`python3 models/training COMMAND`: the training of the built-in models, one command a step."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from qrtrain.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
