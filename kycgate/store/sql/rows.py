"""Between records and rows: the columns bear the records' field names, so one rule serves every table."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

from sqlalchemy import Row, Select, Table, select

_R = TypeVar("_R")


def values(record: Any) -> dict[str, Any]:
    """A record's fields as column values."""
    return {each.name: getattr(record, each.name) for each in fields(record)}


def pick(kind: type[Any], table: Table) -> Select[Any]:
    """SELECT the columns of this record, in the order of its fields."""
    return select(*(table.c[each.name] for each in fields(kind)))


def record(kind: type[_R], row: Row[Any]) -> _R:
    """The record a picked row stands for."""
    return kind(*row)


def records(kind: type[_R], rows: Any) -> list[_R]:
    """`record` for many rows."""
    return [kind(*row) for row in rows]
