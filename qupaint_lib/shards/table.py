"""Samples as rows of Parquet, with columns whose types are stated, not guessed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from qupaint_lib.errors import ArgumentError, UnknownNameError

ROW_GROUP = 50  # samples that are read, and kept in memory, together
_IMAGE = "image"
_TYPES = {"bool": "bool_", "bytes": "binary", "float": "float64", "int": "int64", "str": "string"}
_PYTHON = {"bool": bool, "bytes": bytes, "float": Real, "int": Integral, "str": str}


def schema_of(columns: Mapping[str, Any]) -> Any:
    """Return the Arrow schema of columns, with what tells `datasets` which of them are images.

    Raises
    ------
    ArgumentError
        No column, or one whose type is neither a name, nor a list of one type, nor a mapping.
    """
    import pyarrow as pa

    if not (isinstance(columns, Mapping) and columns):
        raise ArgumentError("columns", columns, "types by the names of the columns")
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    fields = [
        (name, image if kind == _IMAGE else _arrow_type(f"columns[{name!r}]", kind))
        for name, kind in columns.items()
    ]
    features = {name: {"_type": "Image"} for name in _images(columns)}
    metadata = json.dumps({"info": {"features": features}}) if features else None
    return pa.schema(fields, metadata=metadata and {"huggingface": metadata})


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]], columns: Mapping[str, Any]) -> int:
    """Write rows as a Parquet file, `ROW_GROUP` of them in memory at a time; return their number.

    Raises
    ------
    ArgumentError
        A row has other columns, or a value of another type.
    OSError
        The file cannot be written.
    """
    import pyarrow.parquet as pq

    schema, count = schema_of(columns), 0
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=False) as writer:
        group = []
        for row in rows:
            group.append(_checked(row, columns))
            count += 1
            if len(group) == ROW_GROUP:
                writer.write_table(_table(group, schema))
                group = []
        if group:
            writer.write_table(_table(group, schema))
    return count


def read_rows(
    path: Path, columns: Mapping[str, Any], names: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file of `write_rows`; images are their bytes.

    Raises
    ------
    ArgumentError
        The file is no such file.
    UnknownNameError
        No such column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = list(columns if names is None else names)
    for name in names:
        if name not in columns:
            raise UnknownNameError("columns", name, columns)
    images = [name for name in names if name in _images(columns)]
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROW_GROUP, columns=names):
                for row in batch.select(names).to_pylist():
                    yield row | {name: row[name] and row[name]["bytes"] for name in images}
    except (pa.ArrowException, OSError) as error:
        raise ArgumentError("shard", str(path), f"a whole Parquet file: {error}") from error


def _arrow_type(where: str, kind: Any) -> Any:
    import pyarrow as pa

    if isinstance(kind, str):
        if kind not in _TYPES:
            raise UnknownNameError(where, kind, [_IMAGE, *_TYPES])
        return getattr(pa, _TYPES[kind])()
    if isinstance(kind, list | tuple) and len(kind) == 1:
        return pa.list_(_arrow_type(f"{where}[0]", kind[0]))
    if isinstance(kind, Mapping) and kind:
        inner = [(name, _arrow_type(f"{where}[{name!r}]", k)) for name, k in kind.items()]
        return pa.struct(inner)
    raise ArgumentError(where, kind, "the name of a type, [type] for lists, or {name: type}")


def _images(columns: Mapping[str, Any]) -> list[str]:
    return [name for name, kind in columns.items() if kind == _IMAGE]


def _checked(row: Mapping[str, Any], columns: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(row, Mapping) or set(row) != set(columns):
        found = list(row) if isinstance(row, Mapping) else type(row).__name__
        raise ArgumentError("make_sample", found, f"a dict with the keys {', '.join(columns)}")
    plain = {}
    for name, kind in columns.items():
        is_image = kind == _IMAGE
        value = _plain(f"make_sample: {name}", row[name], "bytes" if is_image else kind)
        plain[name] = {"bytes": value} if is_image and value is not None else value
    return plain


def _plain(where: str, value: Any, kind: Any) -> Any:
    """Return a value of plain Python; Arrow would cut 1.5 to 1, and drop keys that it lacks."""
    if value is None:
        return None
    if hasattr(value, "tolist"):  # a NumPy array or number
        value = value.tolist()
    if isinstance(kind, str):
        if not isinstance(value, _PYTHON[kind]) or isinstance(value, bool) != (kind == "bool"):
            raise ArgumentError(where, value, f"a value of the type {kind!r}, or None")
        return value
    if isinstance(kind, Mapping):
        if not isinstance(value, Mapping) or set(value) != set(kind):
            raise ArgumentError(where, value, f"a dict with the keys {', '.join(kind)}")
        return {name: _plain(where, value[name], inner) for name, inner in kind.items()}
    if not isinstance(value, list | tuple):
        raise ArgumentError(where, value, "a list")
    return [_plain(where, inner, kind[0]) for inner in value]


def _table(rows: list[Mapping[str, Any]], schema: Any) -> Any:
    import pyarrow as pa

    try:
        return pa.Table.from_pylist(rows, schema)
    except (pa.ArrowException, ValueError, OverflowError) as error:
        allowed = "integers of 64 bits, and text without halves of surrogate pairs"
        raise ArgumentError("make_sample", str(error), allowed) from error
