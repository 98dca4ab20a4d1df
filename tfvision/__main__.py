"""`python -m tfvision`."""

import sys

from tfvision.cli import main

sys.exit(main())
