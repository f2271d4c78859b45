"""`python -m nint`: the command line."""

import sys

from nint.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
