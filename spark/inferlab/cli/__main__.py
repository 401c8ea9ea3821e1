"""`python -m inferlab.cli` is `inferlab`."""

import sys

from inferlab.cli import main

sys.exit(main())
