"""Settings that every test shares."""

from hypothesis import settings

settings.register_profile("book", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("book")
