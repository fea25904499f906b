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


CODE_PLACE: Final = "kycgate-" + "•" * 24
"""Stands where a code for a scheduler goes until one was drawn, as long as one is."""


@dataclass(frozen=True, slots=True)
class Tab:
    """One way to rent. `title` is a program's own name and reads the same in every language."""

    id: str
    title: str
    lines: tuple[str, ...]
    then: tuple[str, ...] = ()
    """in another terminal, while the first lines run"""

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
)
SIDECAR_PORT: Final = 8484
"""`kycgate sidecar --listen`, unless said otherwise."""
_SIDECAR: Final = (
    "pip install 'kycgate[sidecar]'",
    "kycgate sidecar --gate {gate} --upstream {marketplace} --key-file KEYSTORE",
)
_LOCAL: Final = f"http://127.0.0.1:{SIDECAR_PORT}"
# The command's own file. The shell itself hands the token to curl: a list of processes shows none.
_TOKEN_FILE: Final = f"${{XDG_STATE_HOME:-$HOME/.local/state}}/kycgate/sidecar-{SIDECAR_PORT}.token"
_ASK: Final = (
    'SIDECAR_TOKEN=$(cat "{file}")',
    'printf "X-Api-Key: {key}" | curl -sS -H @- {marketplace}/.kycgate/status',
)


def tabs(parts: WebParts, key: str = PLACEHOLDER) -> tuple[Tab, ...]:
    """Every tab, the operator's own marketplace first."""
    values = {"gate": parts.public_url, "marketplace": parts.marketplace_url, "key": key}
    local = values | {"marketplace": _LOCAL, "key": "$SIDECAR_TOKEN", "file": _TOKEN_FILE}

    def filled(lines: tuple[str, ...], values: dict[str, str] = values) -> tuple[str, ...]:
        return tuple(line.format_map(values) for line in lines)

    own, words = [], parts.words
    if words.commands:
        own.append(Tab("own", words.marketplace, filled(words.commands)))
    known = sorted(_CLIENTS.items(), key=lambda each: each[0] != words.adapter)
    clients = [Tab(name, title, filled(lines)) for name, (title, lines) in known]
    ours = [Tab(name, title, filled(lines)) for name, title, lines in _OURS]
    usual = words.commands or _CLIENTS.get(words.adapter, ("", ()))[1]
    then = filled((*_ASK, *usual), local)
    sidecar = Tab("sidecar", "sidecar", filled(_SIDECAR), then)
    return (*own, *clients, *ours, sidecar)


_SHOWINGS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "dstack": (
        "dstack",
        (
            "printf 'type: task\\nname: {code}\\ncommands: [\"true\"]\\n' > link.dstack.yml",
            "dstack apply -f link.dstack.yml",
        ),
    ),
    "skypilot": ("SkyPilot", ("sky launch -n {code} true",)),
}
"""By kind of scheduler: how its user shows a code, which is the name of a run or task."""


def showings(parts: WebParts, code: str = CODE_PLACE) -> tuple[Tab, ...]:
    """The lines a scheduler's user runs to be linked, for each kind of scheduler that asks here."""
    kinds = dict.fromkeys(each.kind for each in parts.schedulers)
    told = ((kind, *_SHOWINGS[kind]) for kind in kinds)
    return tuple(
        Tab(kind, title, tuple(line.format(code=code) for line in lines))
        for kind, title, lines in told
    )
