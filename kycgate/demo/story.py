"""The demonstration's story: each step acts on the running world and says what came of it.

What a step should give is written down before it runs; one that gives another thing fails it all.
"""

from __future__ import annotations

import time
from typing import Any

import requests

from kycgate.chain import Reverted
from kycgate.client.control import ControlPlane
from kycgate.core.claims import Account, Address, checksum
from kycgate.core.permit import SignedPermit
from kycgate.demo.showing import SHOWING
from kycgate.demo.stage import Stage, Step, link_in, must, refused, rented
from kycgate.demo.world import PROVIDER, Renter
from kycgate.screening.lists import load_demo_lists
from kycgate.settlement.compiled import artifact
from kycgate.settlement.deploy import mint
from kycgate.settlement.escrow import State

LISTED_COMPANY = "Huawei Technologies Co., Ltd."
"""On the Entity List of the shipped lists."""
HOUR_S = 3600
_BOUND_S = 5
"""A revocation is refused everywhere within this (DESIGN 8)."""

PERSON: dict[str, Any] = {
    "kind": "person",
    "details": {"name": "Ada Example", "birth_date": "1985-12-10", "country": "DE"},
}


def company(name: str, country: str, parent: dict[str, Any] | None) -> dict[str, Any]:
    """What an organisation tells about itself."""
    return {
        "kind": "organisation",
        "details": {
            "name": name,
            "registration_number": "202612345K",
            "country": country,
            "headquarters_country": country,
            "parent": parent,
            "representative": {"name": "Grace Example"},
        },
    }


SUBSIDIARY = company(
    "Lion Compute Pte. Ltd.",
    "SG",
    {
        "name": "Example Intelligence Holdings",
        "registration_number": "91440300EXAMPLE001",
        "country": "CN",
        "parent": None,
    },
)


# -- the steps -------------------------------------------------------------------------------------


def _stranger(stage: Stage) -> str:
    told = stage.rents("some-key-from-elsewhere")
    stage.note(told.last)
    stage.link = link_in(told)
    reached = stage.world.market.requests("POST", "/deploy")
    return refused(told) if not reached else "reached the marketplace"


def _link(stage: Stage) -> str:
    page = requests.get(stage.link, timeout=10)
    return "opens" if page.status_code == 200 and "kycgate renter login" in page.text else "broken"


def _sign_in(stage: Stage) -> str:
    told = must(stage.ada("login"))
    stage.note(told.last)
    return "signed in"


def _unverified(stage: Stage) -> str:
    told = stage.rents(stage.key)
    stage.note(told.last)
    page = requests.get(link_in(told), timeout=10).text
    assert "8 × H100" in page, "the page does not say what was asked"
    return refused(told)


def _tell(stage: Stage) -> str:
    told = stage.ada("verify", "--details", stage.ada.details(PERSON), "--json")
    stage.case = told.document["id"]
    stage.note(f"case {stage.case}: {told.document['state_text']}")
    return str(told.document["state"])


def _approve(stage: Stage) -> str:
    told = stage.decides(
        "approve", stage.case, "--level", "2", "--reason", "passport seen in a video call"
    )
    stage.note(told.last)
    must(told)
    status = stage.ada("status", "--json").document
    return str(status["state"])


def _get_key(stage: Stage) -> str:
    key = must(stage.ada("key", "--json")).document
    stage.key = key["secret"]
    stage.note(
        f"export IOCLOUD_BASE_URL={stage.world.gate_url}",
        f"export IOCLOUD_API_KEY={key['prefix']}…",
    )
    return "key issued"


def _rent(stage: Stage) -> str:
    world = stage.world
    before, there = len(world.market.requests("POST", "/deploy")), set(world.market.deployments)
    told = stage.rents(stage.key)
    got = rented(told, world, before)
    sent = world.market.requests("POST", "/deploy")[-1]
    assert stage.key not in repr(sent.headers), "the gate key reached the marketplace"
    [stage.deployment] = set(world.market.deployments) - there
    stage.note(f"deployment {stage.deployment}", told.last if len(told.last) < 120 else "")
    return got


def _fetch_permit(stage: Stage) -> str:
    [job] = stage.ada("status", "--json").document["jobs"]
    told = must(stage.ada("permit", "--job", job["job"], "--json"))
    stage.permit = SignedPermit.from_wire(told.out.encode())
    permit = stage.permit.permit
    stage.note(f"job 0x{permit.job.hex()[:16]}…, at most {permit.max_value} token units")
    return "permit fetched"


def _open(stage: Stage) -> str:
    world, signed = stage.world, stage.permit
    assert signed is not None
    amount = signed.permit.max_value
    mint(
        world.anvil.chain, stage.ada.signer, signed.permit.terms.token, stage.ada.signer.address,
        amount,
    )  # fmt: skip
    world.escrow.open(stage.ada.signer, signed, amount=amount, duration_s=24 * HOUR_S)
    stage.note(f"{amount} token units locked for 24 h")
    return world.escrow.rental(signed.permit.job).state.name


def _settle(stage: Stage) -> str:
    world, signed = stage.world, stage.permit
    assert signed is not None
    world.anvil.pass_time(60)
    world.escrow.settle(stage.ada.signer, signed.permit.job)
    paid = world.escrow.balance(PROVIDER, signed.permit.terms.token)
    stage.note(f"{paid} token units credited to the marketplace after a minute")
    return "paid" if paid > 0 else "nothing paid"


def _thief(stage: Stage) -> str:
    thief, signed = stage.world.renter("thief"), stage.permit
    assert signed is not None
    try:
        stage.world.escrow.open(thief.signer, signed, amount=1, duration_s=HOUR_S)
    except Reverted as refusal:
        stage.note(f"the contract: {refusal.name}")
        return "reverted"
    return "opened"


def _listed_company(stage: Stage) -> str:
    renter, case = stage.becomes("listed", company(LISTED_COMPANY, "CN", None))
    told = stage.decides("approve", case["id"], "--level", "2", "--reason", "looks fine to me")
    stage.note(f"reviewer tries to approve: {told.last}")
    assert told.code != 0, "approved in spite of the hit"
    must(stage.decides("refuse", case["id"], "--reason", "on the Entity List"))
    key = must(renter("key", "--json")).document["secret"]
    told = stage.rents(key)
    stage.note(told.last)
    return refused(told)


class _PlantedWallet:
    """Signs for an address whose contract accepts another key's signatures (ERC-1271)."""

    def __init__(self, address: Address, owner: Any) -> None:
        self.address = address
        self._owner = owner

    def sign_digest(self, digest: bytes) -> bytes:
        signature: bytes = self._owner.sign_digest(digest)
        return signature


def _sanctioned_wallet(stage: Stage) -> str:
    world, owner = stage.world, stage.world.renter("listed-wallet").signer
    listed = min(load_demo_lists().wallets)
    # Nobody here has that wallet's key: on this chain a contract stands at its address.
    chain = world.anvil.chain
    model = chain.deploy(owner, artifact("DemoWallet").creation(owner.address))
    world.anvil.plant(listed, chain.code(model), slot0=owner.address)
    session = ControlPlane(world.control_url).sign_in(
        _PlantedWallet(listed, owner), chain_id=chain.chain_id, clock=time.time
    )
    gate = ControlPlane(world.control_url, token=session.token)
    case = gate.open_case(PERSON["kind"], PERSON["details"], refusal_id=None)
    told = stage.decides("approve", case["id"], "--reason", "the passport is real")
    stage.note(f"{checksum(listed)} signs in", f"reviewer tries to approve: {told.last}")
    assert told.code == 1, "approved in spite of the list"
    told = stage.rents(gate.make_key(label="story", days=1)["secret"])
    stage.note(told.last)
    return refused(told)


def _subsidiary(stage: Stage) -> str:
    renter, case = stage.becomes("subsidiary", SUBSIDIARY)
    must(stage.decides("approve", case["id"], "--level", "2", "--reason", "register extract seen"))
    key = must(renter("key", "--json")).document["secret"]
    told = stage.rents(key)
    stage.note("the renter sees: " + told.last)
    seen = stage.as_operator_sees(Account(renter.signer.address).key)
    for reason in seen["reasons"]:
        stage.note(f"the operator sees: {reason['code']}: {reason['text']}")
    return refused(told)


def _small_gpu(stage: Stage) -> str:
    """The same renter may have what nobody controls."""
    key = must(_renter(stage, "subsidiary")("key", "--json")).document["secret"]
    told = stage.rents(key, "RTX 3090:1")
    stage.note(told.last if told.code else "")
    return "rented" if told.code == 0 else told.last


def _renter(stage: Stage, name: str) -> Renter:
    from kycgate.keys import load_signer

    path = stage.world.directory / "renters" / f"{name}.key"
    return Renter(stage.world, name, path, load_signer(f"file:{path}"))


def _revoke(stage: Stage) -> str:
    world, signed = stage.world, stage.permit
    assert signed is not None
    account = Account(stage.ada.signer.address).key
    revoked = time.monotonic()
    must(stage.decides("revoke", account, "--reason", "the passport was reported stolen"))
    told = stage.rents(stage.key)
    stage.note(f"{time.monotonic() - revoked:.1f} s after the command: {told.last}")
    if refused(told) != "refused":
        return told.last
    end = time.monotonic() + _BOUND_S
    assert world.services.settling.revocations is not None
    [publishing] = world.services.settling.revocations.chains
    while time.monotonic() < end and not publishing.published_at(stage.ada.signer.address, 0):
        time.sleep(0.1)
    stage.note(f"published on chain {time.monotonic() - revoked:.1f} s after the command")
    return "refused"


def _stopped(stage: Stage) -> str:
    end = time.monotonic() + _BOUND_S
    deleted = stage.world.market.requests
    while time.monotonic() < end and not deleted("DELETE", stage.deployment):
        time.sleep(0.1)
    return "stopped" if deleted("DELETE", stage.deployment) else "still running"


def _held(stage: Stage) -> str:
    world, signed = stage.world, stage.permit
    assert signed is not None
    token = signed.permit.terms.token
    paid = world.escrow.balance(PROVIDER, token)
    world.anvil.pass_time(60)
    world.escrow.settle(stage.ada.signer, signed.permit.job)
    assert world.escrow.balance(PROVIDER, token) == paid, "money moved after the revocation"
    rental = world.escrow.rental(signed.permit.job)
    stage.note("what was worked until the revocation is paid after the hold, the rest goes back")
    return rental.state.name


def _audit(stage: Stage) -> str:
    config = str(stage.world.directory / "kycgate.toml")
    told = stage.world.operator("audit", "verify", "--config", config, "--json")
    stage.note(f"{told.document.get('count', told.document)} entries, chained and signed")
    return "verified" if told.code == 0 else told.last


STORY = (
    Step("stranger", "A stranger rents 8 H100 with iocloud", "refused", _stranger),
    Step("link", "The refusal's link opens without login", "opens", _link),
    *SHOWING,
    Step("sign-in", "Ada has no such credential; she signs in", "signed in", _sign_in),
    Step("key", "Ada makes a gate key for her usual client", "key issued", _get_key),
    Step("unverified", "Ada rents before anybody knows her", "refused", _unverified),
    Step("case", "Ada says who she is", "checking", _tell),
    Step("approval", "A reviewer approves her case", "approved", _approve),
    Step("rental", "Ada rents 8 H100 with iocloud, unmodified", "8 GPUs rented", _rent),
    Step("permit", "Ada fetches the permit of her job", "permit fetched", _fetch_permit),
    Step("escrow", "The escrow opens with the permit", State.OPEN.name, _open),
    Step("settlement", "The escrow pays by the second", "paid", _settle),
    Step("theft", "Somebody else opens with Ada's permit", "reverted", _thief),
    Step("listed-company", "An Entity List company tries", "refused", _listed_company),
    Step("listed-wallet", "A sanctioned wallet tries", "refused", _sanctioned_wallet),
    Step("subsidiary", "A Singapore company with a Chinese parent tries", "refused", _subsidiary),
    Step("uncontrolled", "The same company rents one RTX 3090", "rented", _small_gpu),
    Step("revocation", "Ada is revoked; her client tries again", "refused", _revoke),
    Step("stop", "Her running machine is stopped at the marketplace", "stopped", _stopped),
    Step("held", "Her job's money stops flowing", State.HELD.name, _held),
    Step("log", "The decision log is whole", "verified", _audit),
)
