"""Reading, writing and joining the tables of a run, whose columns `firstsight.storage.table_schemas` fixes.

They are zstd-compressed Parquet files. The same rows give the same bytes; a file under its final name is complete.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas
import pyarrow
import pyarrow.compute
import pyarrow.parquet

from firstsight.errors import DamagedError, FirstsightError
from firstsight.storage.replacing import replace_file
from firstsight.storage.table_schemas import SCHEMAS, SORT_KEYS, detectors_in, images_schema

_SHAPE_KEY = b"firstsight"


def write_table(
    path: Path, name: str, rows: Sequence[Mapping[str, Any]] | pandas.DataFrame, detectors: Sequence[str] = ()
) -> None:
    """Write rows as one Parquet table, in the order given; the same rows give the same bytes.

    Args:
        path: the file; it is written beside ``path`` and renamed when complete. Missing folders are created.
        name: a key of `SCHEMAS`.
        rows: mappings from column to value, or a DataFrame (its index is dropped). None, NaN and pandas.NA are null.
            There may be no rows. Whole floats are accepted in an integer column, integers in a float column.
        detectors: for `images` only, the detectors whose columns the rows have.

    Raises:
        FirstsightError: an unknown table; a missing or unknown column; a value of the wrong type, outside the type's
            range, or null where the column allows no null. The message names table and column.
    """
    write_blocks(path, name, [rows], detectors)


def write_blocks(
    path: Path,
    name: str,
    blocks: Iterable[Sequence[Mapping[str, Any]] | pandas.DataFrame],
    detectors: Sequence[str] = (),
) -> None:
    """As `write_table`, but block by block: each becomes a row group, and memory holds one block at a time."""
    if detectors and name != "images":
        raise FirstsightError(f"table {name}: it has no columns by detector, but got {', '.join(detectors)}")
    schema = images_schema(detectors) if name == "images" else _schema(name)
    _write(path, schema, (_conform(name, _columns(name, rows, schema), schema) for rows in blocks))


def read_table(path: Path) -> pandas.DataFrame:
    """Read a table.

    Integer and boolean columns that allow nulls get pandas' nullable types (Int16, Int32, Int64, boolean), so that
    their values keep their type. A null in a float or string column reads as NaN.

    Raises:
        FirstsightError: the file is missing; `DamagedError`: it is no Parquet table, or not the one that was written.
    """
    return _frame(_read(path))


def concatenate_tables(
    name: str,
    paths: Sequence[Path],
    output: Path,
    change: Callable[[pandas.DataFrame], pandas.DataFrame] | None = None,
) -> None:
    """Join the parts of one table, sorted by its key columns (`SORT_KEYS`).

    Memory holds one collection at a time, and each becomes a row group of the file. Parts of `images` may have
    different detectors: the result has the columns of them all, in order of first appearance, null where a part lacks
    them. No parts at all give an empty table.

    Args:
        name: of the table.
        paths: the parts.
        output: the file to write.
        change: applied to the rows of each collection before they are written, in the order of the collections.

    Raises:
        FirstsightError: an unknown table, or a part that is missing, unreadable or has other columns than `SCHEMAS`.
    """
    schema = _schema(name)
    schemas = [_read_schema(path) for path in paths]
    if name == "images":
        schema = images_schema(list(dict.fromkeys(detector for part in schemas for detector in detectors_in(part))))
    else:
        for path, part in zip(paths, schemas, strict=True):
            _check_names(f"{name} ({path})", part.names, schema)
    parts_by_collection: dict[str, list[Path]] = {}
    for path in paths:
        for collection in _read(path, ["collection"])["collection"].unique().to_pylist():
            parts_by_collection.setdefault(collection, []).append(path)

    def block(collection: str) -> pyarrow.Table:
        parts = [_part_of(name, path, collection, schema) for path in parts_by_collection[collection]]
        # Arrow's sort is stable and compares strings by their UTF-8 bytes: the same order on every machine.
        rows = pyarrow.concat_tables(parts).sort_by([(column, "ascending") for column in SORT_KEYS[name]])
        return rows if change is None else _conform(name, _columns(name, change(_frame(rows)), schema), schema)

    _write(output, schema, map(block, sorted(parts_by_collection)))


def _part_of(name: str, path: Path, collection: str, schema: pyarrow.Schema) -> pyarrow.Table:
    """The rows of one collection in a part; the columns of detectors that the part lacks are null."""
    part = _read(path)
    part = part.filter(pyarrow.compute.equal(part["collection"], collection))
    columns = {column: part[column] for column in part.column_names}
    for field in schema if name == "images" else ():
        if field.name not in columns and field.name not in SCHEMAS["images"].names:
            columns[field.name] = pyarrow.nulls(part.num_rows, field.type)
    return _conform(f"{name} ({path})", columns, schema)


def _schema(name: str) -> pyarrow.Schema:
    if name not in SCHEMAS:
        raise FirstsightError(f"unknown table {name!r}: the tables are {', '.join(SCHEMAS)}")
    return SCHEMAS[name]


def _columns(
    name: str, rows: Sequence[Mapping[str, Any]] | pandas.DataFrame, schema: pyarrow.Schema
) -> dict[str, Sequence[Any] | pandas.Series]:
    """Turn rows into columns; every row must have exactly the columns of the schema."""
    if len(rows) == 0 and not (isinstance(rows, pandas.DataFrame) and len(rows.columns)):
        return {column: [] for column in schema.names}
    if isinstance(rows, pandas.DataFrame):
        if not rows.columns.is_unique:
            raise FirstsightError(f"table {name}: a column appears twice: {list(rows.columns)}")
        return {str(column): rows[column] for column in rows.columns}
    for number, row in enumerate(rows):
        _check_names(f"{name}, row {number}", row, schema)
    return {column: [row[column] for row in rows] for column in schema.names}


def _check_names(where: str, names: Iterable[str], schema: pyarrow.Schema) -> None:
    present = set(names)
    missing = [column for column in schema.names if column not in present]
    unknown = sorted(str(column) for column in present - set(schema.names))
    if missing:
        raise FirstsightError(f"table {where}: column {missing[0]!r} is missing")
    if unknown:
        raise FirstsightError(f"table {where}: unknown column {unknown[0]!r}")


def _conform(where: str, columns: Mapping[str, Any], schema: pyarrow.Schema) -> pyarrow.Table:
    """A table of the columns, cast to the schema and in its order."""
    _check_names(where, columns, schema)
    arrays = [_cast(where, columns[field.name], field) for field in schema]
    return pyarrow.Table.from_arrays(arrays, schema=schema)


def _cast(where: str, values: Any, field: pyarrow.Field) -> pyarrow.ChunkedArray:
    """Cast a column to the field's type: between integers and whole floats, otherwise only within one kind of type."""
    column = f"table {where}: column {field.name!r}"
    try:
        array = values if isinstance(values, pyarrow.Array | pyarrow.ChunkedArray) else _array(values)
        if not _same_kind(array.type, field.type):
            raise FirstsightError(f"{column} holds {array.type}, but must be {field.type}")
        array = array.cast(field.type, safe=not pyarrow.types.is_floating(field.type))
    except (pyarrow.ArrowException, OverflowError, UnicodeEncodeError) as error:
        reason = str(error).splitlines()[0]
        raise FirstsightError(f"{column} does not fit its type {field.type}: {reason}") from error
    if not field.nullable and array.null_count:
        first = array.is_null().to_pylist().index(True)
        raise FirstsightError(f"{column} has no value in row {first}")
    return array if isinstance(array, pyarrow.ChunkedArray) else pyarrow.chunked_array([array])


def _array(values: Any) -> pyarrow.Array:
    array = pyarrow.array(values, from_pandas=True)
    return array.dictionary_decode() if pyarrow.types.is_dictionary(array.type) else array


def _same_kind(given: pyarrow.DataType, wanted: pyarrow.DataType) -> bool:
    types = pyarrow.types
    if types.is_null(given):
        return True
    if types.is_string(wanted):
        return bool(types.is_string(given) or types.is_large_string(given))
    if types.is_boolean(wanted):
        return bool(types.is_boolean(given))
    if types.is_timestamp(wanted):
        return bool(types.is_timestamp(given) and given.tz is None)
    return bool(types.is_integer(given) or types.is_floating(given))


def _frame(table: pyarrow.Table) -> pandas.DataFrame:
    return pandas.DataFrame({field.name: _series(table[field.name], field) for field in table.schema})


def _series(column: pyarrow.ChunkedArray, field: pyarrow.Field) -> pandas.Series:
    nullable = {
        pyarrow.int16(): pandas.Int16Dtype(),
        pyarrow.int32(): pandas.Int32Dtype(),
        pyarrow.int64(): pandas.Int64Dtype(),
        pyarrow.bool_(): pandas.BooleanDtype(),
    }
    series: pandas.Series = column.to_pandas(types_mapper=nullable.get if field.nullable else None)
    return series


def _read(path: Path, columns: Sequence[str] | None = None) -> pyarrow.Table:
    with _opened(path) as file:
        return file.read(columns=columns).replace_schema_metadata(None)


def _read_schema(path: Path) -> pyarrow.Schema:
    with _opened(path) as file:
        return file.schema_arrow


@contextmanager
def _opened(path: Path) -> Iterator[pyarrow.parquet.ParquetFile]:
    try:
        # pyarrow's read_table would also take columns from folders named like `collection=tiles`.
        with pyarrow.parquet.ParquetFile(path, page_checksum_verification=True) as file:
            shape = _shape(file.schema_arrow, file.metadata.num_rows)
            # Tables of earlier versions have no such metadata.
            if (file.metadata.metadata or {}).get(_SHAPE_KEY, shape) != shape:
                raise pyarrow.ArrowInvalid("its columns are not those that were written")
            yield file
    except FileNotFoundError as error:
        raise FirstsightError(f"{path}: there is no such table") from error
    # Arrow's OSError for a wrong checksum has no errno; an OSError with one means the file cannot be read right now.
    except (pyarrow.ArrowException, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedError(f"{path}: not a Parquet table ({str(error).splitlines()[0]})", path) from error


def _shape(schema: pyarrow.Schema, n_rows: int) -> bytes:
    """A checksum of what Parquet does not protect: the names and types of the columns, and the number of rows."""
    columns = [f"{field.name} {field.type} {field.nullable}" for field in schema]
    return str(zlib.crc32(f"{columns} {n_rows}".encode())).encode()


def _write(path: Path, schema: pyarrow.Schema, blocks: Iterable[pyarrow.Table]) -> None:
    def write(beside: Path) -> None:
        count = 0
        with pyarrow.parquet.ParquetWriter(beside, schema, compression="zstd", write_page_checksum=True) as writer:
            for block in blocks:
                # One chunk per column, so that the bytes do not depend on how the rows were assembled.
                writer.write_table(block.combine_chunks())
                count += block.num_rows
            writer.add_key_value_metadata({_SHAPE_KEY: _shape(schema, count)})

    replace_file(path, write)
