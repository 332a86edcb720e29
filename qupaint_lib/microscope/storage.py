"""A microscope as a small JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

from qupaint_lib._files import read_json, write_text
from qupaint_lib.colorimetry import GaussianCamera
from qupaint_lib.errors import ArgumentError, UnknownNameError
from qupaint_lib.microscope.model import Microscope

FORMAT = "qupaint-microscope-1"


def save_microscope(microscope: Microscope, path: str | Path) -> Path:
    """Write a microscope as JSON; the file appears whole or not at all."""
    text = json.dumps({"format": FORMAT, **asdict(microscope)}, indent=2, ensure_ascii=False)
    return write_text(path, text + "\n")


def load_microscope(path: str | Path) -> Microscope:
    """Read a microscope from JSON.

    Raises
    ------
    ArgumentError
        The file is not JSON of this format, or a field's value is not allowed.
    UnknownNameError
        A field that no microscope has.
    """
    data = read_json(path)
    if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
        raise ArgumentError("path", str(path), f'a JSON object with "format": "{FORMAT}"')
    known = [field.name for field in fields(Microscope)]
    for name in data:
        if name not in known:
            raise UnknownNameError("field", name, known)
    if isinstance(data.get("camera"), dict):
        try:
            data["camera"] = GaussianCamera(**data["camera"])
        except TypeError:
            raise ArgumentError("camera", data["camera"], "peaks_nm and fwhm_nm") from None
    return Microscope(**data)
