"""Export controls as data: GPUs, countries, dated rules, and what they say of one rental.

Draws no conclusion beyond the rules, and never claims more than their basis. Pure once its tables
are read.
"""

from __future__ import annotations

from kycgate.screening.controls.countries import CountryTable, load_countries
from kycgate.screening.controls.gpus import UNRECOGNISED, GpuRow, GpuTable, load_gpus
from kycgate.screening.controls.policies import (
    RULE_BOOKS,
    load_default_policy,
    load_standard_policy,
    read_policy,
    rule_books,
)

__all__ = [
    "RULE_BOOKS",
    "UNRECOGNISED",
    "CountryTable",
    "GpuRow",
    "GpuTable",
    "load_countries",
    "load_default_policy",
    "load_gpus",
    "load_standard_policy",
    "read_policy",
    "rule_books",
]
