"""Between records and rows: columns bear the fields' names, so one rule serves every table.

Knows no table and asks nothing of the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any, TypeVar

from sqlalchemy import Select, Table, select

_R = TypeVar("_R")


def values(record: Any) -> dict[str, Any]:
    """A record's fields as column values."""
    return {each.name: getattr(record, each.name) for each in fields(record)}


def pick(kind: type[Any], table: Table) -> Select[Any]:
    """SELECT the columns of this record, in the order of its fields."""
    return select(*(table.c[each.name] for each in fields(kind)))


def record(kind: Callable[..., _R], row: Any) -> _R:
    """The record a picked row stands for."""
    return kind(*row)


def records(kind: Callable[..., _R], rows: Iterable[Any]) -> list[_R]:
    """`record` for many rows."""
    return [kind(*row) for row in rows]
