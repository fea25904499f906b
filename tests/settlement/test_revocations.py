"""From the outbox onto EAS, once each, through whatever goes wrong on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from kycgate.chain import Chain, Reverted
from kycgate.core.claims import Account, Address
from kycgate.core.typed import keccak
from kycgate.errors import Malformed, Unavailable
from kycgate.settlement.compiled import artifact
from kycgate.settlement.escrow import State
from kycgate.settlement.revocations import (
    BATCH,
    KIND,
    Publishers,
    Revocations,
    revocation_key,
    waiting_s,
)
from kycgate.settlement.sender import SendingRules
from kycgate.store import open_store
from tests.chain_world import CHAIN_ID, free_port
from tests.fakes import MemoryStore
from tests.settlement.conftest import COIN, KEYS, World

RENTER = KEYS["renter"].address
RENTER_KEY = Account(RENTER).key


def revocations(
    world: World, store: MemoryStore, *, chain: Chain | None = None, publisher: str = "publisher"
) -> Revocations:
    return Revocations(
        chain or world.chain,
        eas=world.at.eas,
        revoker=world.at.revoker,
        publisher=KEYS[publisher],
        outbox=store,
        rules=SendingRules(confirmations=0),
    )


def publish(world: World, publisher: Revocations, *, now: int) -> int:
    """One round; what it sent stands in a block."""
    sent = publisher.publish(now=now)
    world.anvil.settle()
    return sent


def wait(store: MemoryStore, account: str, epoch: int, *, at: int) -> None:
    store.enqueue(KIND, {"account": account, "epoch": epoch}, due_at=at)


def left(store: MemoryStore) -> int:
    kinds = (KIND, f"{KIND}:{CHAIN_ID}")
    return sum(len(store.due(kind, now=2**40)) for kind in kinds)


def told(store: MemoryStore, *, now: int) -> int:
    return waiting_s(store, now=now, chain_id=CHAIN_ID)


def revoked_on_eas(world: World) -> int:
    """How many entries EAS logged in all."""
    compiled = artifact("EAS")
    topics = ["0x" + compiled.topic("RevokedOffchain").hex()]
    return len(world.chain.logs(world.at.eas, from_block=0, topics=topics))


def test_the_key_is_what_the_contract_asks_for(world: World) -> None:
    expected = keccak(bytes(12) + RENTER + (7).to_bytes(32, "big"))
    assert revocation_key(RENTER, 7) == expected
    world.publish(revocation_key(RENTER, 7))
    compiled = artifact("GPURentalEscrow")
    asked = compiled.encode("revokedAt", RENTER, 7)
    assert compiled.decode("revokedAt", world.chain.call(world.at.escrow, asked)) == (
        world.anvil.now,
    )


def test_what_waits_is_published_and_holds_the_job_in_the_next_block(world: World) -> None:
    job, _ = world.opened()
    store = MemoryStore()
    wait(store, RENTER_KEY, 0, at=100)
    publisher = revocations(world, store)
    assert publisher.published_at(RENTER, 0) is None
    assert publish(world, publisher, now=160) == 1
    assert publisher.published_at(RENTER, 0) == world.anvil.now
    world.escrow.settle(KEYS["provider"], job)
    assert world.escrow.rental(job).state is State.HELD
    assert world.escrow.balance(KEYS["provider"].address, COIN) == 0


def test_an_item_waits_until_the_chain_shows_its_key(world: World) -> None:
    store = MemoryStore()
    wait(store, RENTER_KEY, 0, at=100)
    publisher = revocations(world, store)
    assert publish(world, publisher, now=160) == 1
    assert (left(store), told(store, now=160)) == (1, 60)
    assert publish(world, publisher, now=164) == 0
    assert (left(store), told(store, now=164)) == (0, 0)
    assert store.sent(CHAIN_ID, "0x" + KEYS["publisher"].address.hex()) == []


def test_a_batch_goes_in_one_transaction_without_the_keys_that_stand(world: World) -> None:
    world.revoke(RENTER, 0)
    store, before = MemoryStore(), world.chain.block().number
    wait(store, RENTER_KEY, 0, at=100)
    for n in range(5):
        wait(store, Account(Address(bytes([n + 1]) * 20)).key, n, at=100)
    wait(store, Account(Address(b"\x01" * 20)).key, 0, at=101)
    publisher = revocations(world, store)
    assert publish(world, publisher, now=200) == 5
    assert world.chain.block().number == before + 1
    assert publish(world, publisher, now=204) == 0
    assert world.chain.block().number == before + 1
    assert left(store) == 0


def test_more_than_a_batch_goes_in_turns(world: World) -> None:
    store = MemoryStore()
    for n in range(BATCH + 1):
        wait(store, RENTER_KEY, n, at=100)
    publisher = revocations(world, store)
    assert publish(world, publisher, now=200) == BATCH
    assert revoked_on_eas(world) == BATCH
    assert publish(world, publisher, now=204) == 1
    assert publish(world, publisher, now=208) == 0
    assert left(store) == 0
    assert revoked_on_eas(world) == BATCH + 1


def test_nothing_waiting_asks_no_chain(world: World) -> None:
    nowhere = Chain([f"http://127.0.0.1:{free_port()}"], CHAIN_ID, timeout_s=1)
    assert revocations(world, MemoryStore(), chain=nowhere).publish(now=200) == 0
    nowhere.close()


def test_two_publishers_at_once_leave_one_entry(world: World) -> None:
    """The second transaction finds the key set and passes over it instead of failing the batch."""
    keys = [revocation_key(RENTER, 0), revocation_key(RENTER, 1)]
    world.publish(keys[0])
    world.publish(*keys)
    world.publish(*keys, *keys)
    assert revoked_on_eas(world) == 2


def test_replicas_with_one_key_send_one_transaction(world: World) -> None:
    store, before = MemoryStore(), world.chain.nonce(KEYS["publisher"].address)
    replicas = [revocations(world, store) for _ in range(3)]
    for epoch in range(3):
        wait(store, RENTER_KEY, epoch, at=100)
    world.chain.ask("evm_setAutomine", False)
    try:
        assert [each.publish(now=200) for each in replicas] == [3, 0, 0]
        # The same revocation under a second item: its key is on its way already.
        wait(store, RENTER_KEY, 0, at=100)
        assert [each.publish(now=208) for each in replicas] == [0, 0, 0]
    finally:
        world.chain.ask("evm_setAutomine", True)
    world.chain.ask("evm_mine")
    for each in replicas:
        each.publish(now=216)
    assert world.chain.nonce(KEYS["publisher"].address) == before + 1
    assert left(store) == 0


def test_the_stores_own_outbox_drains_and_tells_its_age(world: World, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/kycgate.sqlite3")
    try:
        for epoch, at in ((0, 100), (1, 150), (2, 900)):
            store.enqueue(KIND, {"account": RENTER_KEY, "epoch": epoch}, due_at=at)
        assert waiting_s(store, now=200, chain_id=CHAIN_ID) == 100
        publisher = Revocations(
            world.chain,
            eas=world.at.eas,
            revoker=world.at.revoker,
            publisher=KEYS["publisher"],
            outbox=store,
            rules=SendingRules(confirmations=0),
        )
        assert publish(world, publisher, now=200) == 2
        assert publish(world, publisher, now=204) == 0
        assert waiting_s(store, now=204, chain_id=CHAIN_ID) == 0
        assert [publisher.published_at(RENTER, e) is None for e in range(3)] == [False, False, True]
    finally:
        store.close()


def test_a_silent_chain_leaves_everything_waiting_and_the_wait_is_told(world: World) -> None:
    nowhere = Chain([f"http://127.0.0.1:{free_port()}"], 31337, timeout_s=1)
    store = MemoryStore()
    wait(store, RENTER_KEY, 0, at=100)
    assert told(store, now=100) == 0
    silent = revocations(world, store, chain=nowhere)
    with pytest.raises(Unavailable):
        silent.publish(now=200)
    status = silent.status(200)
    assert (status.waiting, status.oldest_s, status.last_error_at) == (1, 100, 200)
    assert "did not answer" in str(status.last_error)
    # It is not asked again at once, but it is asked again.
    assert silent.publish(now=201) == 0
    with pytest.raises(Unavailable):
        silent.publish(now=204)
    nowhere.close()
    assert told(store, now=500) == 400
    publisher = revocations(world, store)
    assert publish(world, publisher, now=500) == 1
    assert publish(world, publisher, now=504) == 0
    assert told(store, now=504) == 0


def test_waiting_for_one_chain_is_not_waiting_for_another() -> None:
    store = MemoryStore()
    store.enqueue(f"{KIND}:10", {"account": RENTER_KEY, "epoch": 0}, due_at=100)
    assert waiting_s(store, now=160, chain_id=10) == 60
    assert waiting_s(store, now=160, chain_id=1) == 0
    wait(store, RENTER_KEY, 0, at=150)
    assert waiting_s(store, now=160, chain_id=1) == 10
    assert waiting_s(store, now=160, chain_id=10) == 60


def test_a_key_that_may_not_publish_leaves_everything_waiting(world: World) -> None:
    store = MemoryStore()
    wait(store, RENTER_KEY, 0, at=100)
    with pytest.raises(Reverted) as refused:
        publish(world, revocations(world, store, publisher="stranger"), now=200)
    assert artifact("Revoker").error(refused.value.data) == "NotPublisher"
    assert left(store) == 1
    assert world.chain.nonce(KEYS["stranger"].address) == 0


def test_a_publishers_key_rotates_under_the_same_revoker(world: World) -> None:
    job, _ = world.opened()
    compiled, old, new = artifact("Revoker"), KEYS["publisher"], KEYS["stranger"]
    begin = world.anvil.now + 3 * 86400
    for function, *arguments in (
        ("addKey", new.address, begin, 2**48 - 1),
        ("killKey", old.address),
    ):
        data = compiled.encode(function, *arguments)
        world.chain.send(KEYS["root"], world.at.revoker, data)
    with pytest.raises(Reverted):
        world.publish(revocation_key(RENTER, 0), by=old)
    world.anvil.mine_at(begin)
    world.publish(revocation_key(RENTER, 0), by=new)
    world.escrow.settle(KEYS["provider"], job)
    assert world.escrow.rental(job).state is State.HELD


def test_a_contract_account_is_revoked_on_its_own_chain_only(world: World) -> None:
    store = MemoryStore()
    wallet = Address(b"\x42" * 20)
    wait(store, Account(wallet, 10).key, 0, at=100)
    publisher = revocations(world, store)
    assert publish(world, publisher, now=200) == 0
    assert left(store) == 0
    assert publisher.published_at(wallet, 0) is None
    wait(store, Account(wallet, CHAIN_ID).key, 0, at=100)
    assert publish(world, publisher, now=204) == 1


@pytest.mark.parametrize(
    "payload",
    [
        {"account": "not an account", "epoch": 0},
        {"account": RENTER_KEY},
        {"account": RENTER_KEY, "epoch": "0"},
        {"account": RENTER_KEY, "epoch": -1},
        {"account": None, "epoch": 0},
    ],
)
def test_an_item_that_names_no_account_is_loud_and_stops_no_other(
    world: World, payload: dict[str, object]
) -> None:
    store = MemoryStore()
    store.enqueue(KIND, payload, due_at=100)
    wait(store, RENTER_KEY, 0, at=150)
    publisher = revocations(world, store)
    with pytest.raises(Malformed):
        publish(world, publisher, now=200)
    world.anvil.settle()
    assert publisher.published_at(RENTER, 0) == world.anvil.now
    with pytest.raises(Malformed):
        publish(world, publisher, now=208)
    assert (left(store), told(store, now=208)) == (1, 108)


def test_a_rehearsal_says_what_would_be_sent_and_changes_nothing(world: World) -> None:
    world.revoke(RENTER, 0)
    store = MemoryStore()
    for epoch in range(3):
        wait(store, RENTER_KEY, epoch, at=100)
    publisher, key = revocations(world, store), KEYS["publisher"].address
    before = (world.chain.block().number, world.chain.nonce(key), left(store))
    plan = publisher.plan(now=200)
    assert {(account, epoch) for account, epoch, _ in plan.revocations} == {
        (RENTER_KEY, 1),
        (RENTER_KEY, 2),
    }
    assert plan.transaction is not None
    assert plan.transaction.nonce == before[1]
    assert (world.chain.block().number, world.chain.nonce(key), left(store)) == before
    assert store.sent(CHAIN_ID, "0x" + key.hex()) == []
    assert publish(world, publisher, now=200) == 2
    [sent] = store.sent(CHAIN_ID, "0x" + key.hex())
    assert sent.hash == plan.transaction.hash


def test_a_rehearsal_with_nothing_new_sends_nothing(world: World) -> None:
    plan = revocations(world, MemoryStore()).plan(now=200)
    assert (plan.revocations, plan.transaction, plan.under_way) == ((), None, ())


def test_what_fails_on_one_chain_stops_no_other(world: World) -> None:
    store = MemoryStore()
    nowhere = Chain([f"http://127.0.0.1:{free_port()}"], 10, timeout_s=1)
    common = {
        "eas": world.at.eas,
        "revoker": world.at.revoker,
        "publisher": KEYS["publisher"],
        "outbox": store,
        "rules": SendingRules(confirmations=0),
    }
    publishers = Publishers(
        [
            Revocations(nowhere, elsewhere=[CHAIN_ID], **common),  # type: ignore[arg-type]
            Revocations(world.chain, elsewhere=[10], **common),  # type: ignore[arg-type]
        ]
    )
    wait(store, RENTER_KEY, 0, at=100)
    for now in (200, 204):
        with pytest.raises(Unavailable, match="chain 10"):
            publishers.publish(now=now)
        world.anvil.settle()
    nowhere.close()
    assert revoked_on_eas(world) == 1
    assert [one.oldest_s for one in publishers.status(204)] == [104, 0]
