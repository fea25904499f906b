"""Kinds of columns that SQLite and PostgreSQL read alike, and where all tables are gathered.

Names no table.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    TypeDecorator,
)

metadata = MetaData()

# A number PostgreSQL counts in 64 bits and SQLite takes as its row number.
Serial = BigInteger().with_variant(Integer, "sqlite")


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value


class Words(TypeDecorator[Any]):
    """A tuple of strings, or of tuples of strings, kept as JSON text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        return json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return read_words(value)


class Document(TypeDecorator[Any]):
    """A JSON object kept as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return json.loads(value)


class Amount(TypeDecorator[Any]):
    """A whole number of up to 256 bits, which no database counts in, kept as decimal text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        return str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return int(value)


@lru_cache(maxsize=512)
def read_words(value: str) -> Any:
    """The tuple behind a `Words` column, for reads that bypass the column types."""
    return _frozen(json.loads(value))


def text(name: str, **options: Any) -> Column[Any]:
    """Never NULL, as every column here unless it says so."""
    return Column(name, Text, nullable=False, **options)


def time(name: str, *, nullable: bool = False) -> Column[Any]:
    """Unix seconds UTC."""
    return Column(name, BigInteger, nullable=nullable)


def number(name: str) -> Column[Any]:
    return Column(name, BigInteger, nullable=False)


def binary(name: str, *, nullable: bool = False, **options: Any) -> Column[Any]:
    return Column(name, LargeBinary, nullable=nullable, **options)
