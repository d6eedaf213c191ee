"""`python -m command.convert`, as `mod_wsgi convert`."""

import sys

from . import main

sys.exit(main())
