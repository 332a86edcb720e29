"""Execute the chapters, write the reproduction report, build the book.

On the command line, from anywhere inside the repository::

    python -m qupaint_lib.reproduce [CHAPTER ...] [--scale quick|full|gpu] [-p NAME=VALUE ...]
                                    [--jobs N] [--force] [--book]

Each chapter is executed by Papermill in a process and a kernel of its own, whose working folder is
the repository's root. A chapter is left as it is while its source, its parameters, the library,
the installed packages and the micrographs are those of its last run. Below ``_build/`` lie

- ``executed/<scale>/NN_name.ipynb``, the executed copy, or ``NN_name.failed.ipynb``;
- ``results/<scale>/NN_name.json``, what the chapter recorded with `qupaint_lib.results`;
- ``provenance/<scale>/NN_name.json``: commit, package versions, parameters, seed, machine, seconds,
  hash and notes;
- ``site/`` and ``html/``, the staged sources and the finished book.

A chapter that takes a ``-p`` value goes to ``<scale>-custom`` in place of ``<scale>``, which holds
the last such run only: the book's own copies are never replaced by a run with other values.

A chapter that needs another one's files says so in its notebook's metadata,
``"qupaint": {"after": ["01_name"]}``; it then waits for that chapter, and is not run if it fails.
"""

from qupaint_lib.reproduce.chapters import SCALES, Chapter, Parameter, discover, find_root, select
from qupaint_lib.reproduce.driver import Outcome, execute
from qupaint_lib.reproduce.report import write_benchmarks, write_report
from qupaint_lib.reproduce.site import BookError, build_book

__all__ = ["SCALES", "BookError", "Chapter", "Outcome", "Parameter"]
__all__ += ["build_book", "discover", "execute", "find_root", "select"]
__all__ += ["write_benchmarks", "write_report"]
