"""``python -m ganloss``."""

import sys

from ganloss.cli import main

sys.exit(main())
