"""Settings that every test shares."""

import os
from pathlib import Path

from hypothesis import settings

settings.register_profile("book", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("book")

# The development images, where they lie beside the checkout: their tests then run, never skip.
MICROGRAPHS = Path(__file__).parents[2] / "shared" / "micrographs"
if MICROGRAPHS.is_dir():
    os.environ.setdefault("QUPAINT_MICROGRAPHS", str(MICROGRAPHS))
