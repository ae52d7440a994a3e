"""``python -m c2lib``: the command line."""

import sys

from c2lib.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
