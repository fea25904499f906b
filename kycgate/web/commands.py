"""The exact lines a renter runs once approved: each marketplace client, our session, the sidecar.

Runs nothing and knows no key but the one it is given to show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kycgate.web.parts import WebParts

PLACEHOLDER: Final = "kg_…"
"""Stands where the key goes until one was made."""
AS_LONG: Final = "kg_" + "•" * 43
"""The same, as long as a key is: the lines don't grow when it comes."""


@dataclass(frozen=True, slots=True)
class Tab:
    """One way to rent. `title` is a program's own name and reads the same in every language."""

    id: str
    title: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


_CLIENTS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "ionet": (
        "iocloud",
        (
            "export IOCLOUD_BASE_URL={marketplace}",
            "export IOCLOUD_API_KEY={key}",
            "iocloud deploy --name my-job --image IMAGE --gpu H100:8 --hours 24 --detach",
        ),
    ),
    "vast": (
        "vastai",
        (
            "export VAST_URL={marketplace}",
            "export VAST_API_KEY={key}",
            "vastai create instance OFFER --image IMAGE --disk 64",
        ),
    ),
    "runpod": (
        "runpod",
        (
            "export RUNPOD_API_BASE_URL={marketplace}",
            "export RUNPOD_API_KEY={key}",
            "python -c \"import os, runpod; runpod.api_key = os.environ['RUNPOD_API_KEY'];"
            " print(runpod.create_pod('my-job', 'IMAGE', 'NVIDIA H100 80GB HBM3', gpu_count=8))\"",
        ),
    ),
}
"""By adapter."""
_OURS: Final = (
    (
        "python",
        "Python",
        (
            "from kycgate import RenterSession",
            "",
            'with RenterSession("{gate}", marketplace="{marketplace}", key="{key}") as rent:',
            '    print(rent.get("/").status_code)',
        ),
    ),
    (
        "sidecar",
        "sidecar",
        ("kycgate sidecar --gate {gate} --upstream {marketplace} --key-file KEYSTORE",),
    ),
)


def tabs(parts: WebParts, key: str = PLACEHOLDER) -> tuple[Tab, ...]:
    """Every tab, the operator's own marketplace first."""
    values = {"gate": parts.public_url, "marketplace": parts.marketplace_url, "key": key}

    def filled(lines: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(line.format_map(values) for line in lines)

    own, words = [], parts.words
    if words.commands:
        own.append(Tab("own", words.marketplace, filled(words.commands)))
    known = sorted(_CLIENTS.items(), key=lambda each: each[0] != words.adapter)
    clients = [Tab(name, title, filled(lines)) for name, (title, lines) in known]
    return (*own, *clients, *(Tab(name, title, filled(lines)) for name, title, lines in _OURS))
