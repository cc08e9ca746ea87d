"""Script: `python tools/starter/evaluate.py --out REPORT` judges the starter model as the program runs it."""

import sys
from pathlib import Path

# Started as a script, Python looks in this folder, where only modules of a package lie.
if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from tools.starter.evaluation import main

if __name__ == "__main__":
    main()
