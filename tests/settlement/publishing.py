"""One round of publishing in a process of its own, to be killed at any point of it."""

from __future__ import annotations

import sys

from kycgate.chain import Chain
from kycgate.core.claims import Address
from kycgate.settlement.revocations import Revocations
from kycgate.settlement.sender import SendingRules
from kycgate.store import open_store
from tests.chain_world import CHAIN_ID, key


def main(database: str, node: str, eas: str, revoker: str, now: str) -> None:
    store = open_store(database)
    Revocations(
        Chain([node], CHAIN_ID),
        eas=Address(bytes.fromhex(eas)),
        revoker=Address(bytes.fromhex(revoker)),
        publisher=key("publisher"),
        outbox=store,
        rules=SendingRules(confirmations=1),
    ).publish(now=int(now))
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
