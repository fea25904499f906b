"""A whole LEI register in flat arrays: millions of companies in some hundred megabytes.

Reads no file. A file each for what GLEIF publishes: companies, links between them, and why a parent
is not named.
"""

from kycgate.screening.ownership.leis.columns import Buffer, is_lei
from kycgate.screening.ownership.leis.companies import LeiRecord
from kycgate.screening.ownership.leis.exceptions import REASONS, ExceptionRecord
from kycgate.screening.ownership.leis.links import RELATIONSHIPS, LinkRecord
from kycgate.screening.ownership.leis.register import LeiBuilder, LeiRegister

__all__ = [
    "REASONS",
    "RELATIONSHIPS",
    "Buffer",
    "ExceptionRecord",
    "LeiBuilder",
    "LeiRecord",
    "LeiRegister",
    "LinkRecord",
    "is_lei",
]
