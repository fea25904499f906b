"""One corpus of attacks on what stands before a marketplace, as bytes on the wire.

A row says who attacks by which trick; what must hold for each of them is in the test. Bytes that
carry `evil` must reach no marketplace in any field. Requests that rent are the attacker's own, with
a body nobody else sends: one that arrives without having been let through is known by it.
"""

from __future__ import annotations

from tests.attack.corpus.bodies import BODIES
from tests.attack.corpus.fields import FIELDS, FORWARDED
from tests.attack.corpus.framing import SMUGGLING, UPGRADES
from tests.attack.corpus.paths import METHODS, PATHS, RENTING_PATHS
from tests.attack.corpus.proofs import CACHES, PROOFS
from tests.attack.kit import Attack

CORPUS: tuple[Attack, ...] = (
    *PATHS, *RENTING_PATHS, *METHODS, *FIELDS, *FORWARDED, *SMUGGLING, *UPGRADES, *BODIES, *PROOFS,
    *CACHES,
)  # fmt: skip
