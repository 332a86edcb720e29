"""``python -m qupaint_lib.widgets``: the lab bench as an app in the browser, by Voila.

Takes Voila's own options. Its template, which loads nothing from other machines and leaves the
chapter's prose out, lies in this library; kernels of closed windows end after two minutes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

CHAPTER = Path("notebooks/11_lab_bench.ipynb")
OPTIONS = (
    "--template=qupaint",
    "--MappingKernelManager.cull_idle_timeout=120",
    "--MappingKernelManager.cull_interval=30",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the app until it is stopped; returns 2 where it cannot start."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not any(argument.endswith(".ipynb") for argument in given):
        given = [str(CHAPTER), *given]
    notebook = next(argument for argument in given if argument.endswith(".ipynb"))
    if not Path(notebook).is_file():
        print(f"{notebook} is not here: start from the root of the repository", file=sys.stderr)
        return 2
    try:
        from voila.app import Voila
    except ImportError as error:
        print(f"the app needs the extra 'lab': pip install '.[lab]' ({error})", file=sys.stderr)
        return 2
    own = str(files("qupaint_lib") / "data" / "jupyter")
    before = os.environ.get("JUPYTER_PATH")
    os.environ["JUPYTER_PATH"] = os.pathsep.join([own, *([before] if before else [])])
    Voila.launch_instance([*OPTIONS, *given])
    return 0


if __name__ == "__main__":
    sys.exit(main())
