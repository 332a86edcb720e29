"""The commit that the code is at: part of the record of a chapter, and of a training run."""

from __future__ import annotations

import subprocess
from pathlib import Path


def git_state(root: Path) -> tuple[str | None, bool | None]:
    """Return the commit and whether files differ from it; (None, None) outside a repository."""
    try:
        commit = _git(root, "rev-parse", "--verify", "HEAD")
        return commit, bool(_git(root, "status", "--porcelain"))
    except (OSError, subprocess.CalledProcessError):
        return None, None


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
