"""The renter's session proves the account where it should, and nowhere else."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kycgate.client import ControlPlane, GateRefused, RenterSession
from kycgate.core.claims import Account
from kycgate.core.permit import SignedPermit
from kycgate.core.proof import Profile
from kycgate.errors import Malformed, Unavailable
from kycgate.store.records.jobs import Job
from kycgate.web.app import create_app
from tests.client.conftest import Market
from tests.web.browser import ALICE, MALLORY, key_of
from tests.web.live import listening
from tests.web.world import World

ACCOUNT = Account(ALICE.address)
TERMS = {"provider": "0x" + "11" * 20, "token": "0x" + "22" * 20, "max_value": "5"}
JOB = {"gpu_model": "H100", "gpu_count": 8, "hours": 24}


@pytest.mark.parametrize("profile", list(Profile))
def test_every_request_to_the_marketplace_is_signed(
    live: World, market: Market, profile: Profile
) -> None:
    with RenterSession(
        live.parts.public_url, marketplace=market.origin, signer=ALICE, profile=profile
    ) as session:
        assert session.get("/list?page=2").status_code == 200
        assert session.post("/deploy", json=JOB).status_code == 200
    nonces = {headers["signature-input"] for _, headers, _ in market.seen}
    assert len(nonces) == 2


def test_a_post_carries_an_idempotency_key_of_its_own(live: World, market: Market) -> None:
    with RenterSession(live.parts.public_url, marketplace=market.origin, signer=ALICE) as session:
        session.post("/deploy", json=JOB)
        session.post("/deploy", json=JOB)
        session.post("/deploy", json=JOB, headers={"Idempotency-Key": "mine-1"})
        session.get("/list")
    keys = [headers.get("idempotency-key") for _, headers, _ in market.seen]
    assert len(set(keys[:2]) - {None}) == 2
    assert keys[2:] == ["mine-1", None]


def test_a_key_is_tried_first_and_the_wallet_signs_when_asked(live: World, market: Market) -> None:
    market.keys = ("kg_known",)
    with RenterSession(
        live.parts.public_url, marketplace=market.origin, signer=ALICE, key="kg_known"
    ) as session:
        assert session.get("/list").status_code == 200
        assert "signature" not in market.seen[-1][1]
        market.keys = ()
        answer = session.post("/deploy", json=JOB)
    assert answer.status_code == 200
    (first, second) = market.seen[-2:]
    assert (first[1]["x-api-key"], "signature" in first[1]) == ("kg_known", False)
    assert ("x-api-key" in second[1], "signature" in second[1]) == (False, True)
    assert first[1]["idempotency-key"] == second[1]["idempotency-key"]
    assert first[2] == second[2]


def test_a_refusal_is_repeated_once_only(live: World, market: Market) -> None:
    origin, market.origin = market.origin, "http://other.test"  # no signature will ever fit
    with RenterSession(live.parts.public_url, marketplace=origin, signer=ALICE) as session:
        assert session.get("/list").status_code == 401
    assert len(market.seen) == 2


def test_no_proof_follows_a_redirect_to_another_place(live: World, market: Market) -> None:
    elsewhere = Market()
    with listening(elsewhere) as origin:
        elsewhere.origin = origin
        market.redirect_to = origin + "/catch"
        for proof in ({"signer": ALICE}, {"key": "kg_secret"}):
            with RenterSession(
                live.parts.public_url, marketplace=market.origin, **proof
            ) as session:
                session.post("/deploy", json=JOB)
    assert len(elsewhere.seen) == 2
    for _, headers, _ in elsewhere.seen:
        assert "signature" not in headers
        assert "signature-input" not in headers
        assert "x-api-key" not in headers


def test_other_hosts_get_no_proof(live: World, market: Market) -> None:
    other = Market()
    with listening(other) as origin:
        other.origin = origin
        with RenterSession(
            live.parts.public_url, marketplace=market.origin, signer=ALICE
        ) as session:
            assert session.get(origin + "/x").status_code == 401
    assert "signature" not in other.seen[0][1]
    assert len(other.seen) == 1


def test_a_streaming_body_is_refused_before_it_is_sent(live: World, market: Market) -> None:
    with (
        RenterSession(live.parts.public_url, marketplace=market.origin, signer=ALICE) as session,
        pytest.raises(Malformed, match="streaming"),
    ):
        session.post("/deploy", data=iter([b"{}"]))
    assert market.seen == []


def test_the_permit_comes_with_the_answer(live: World, market: Market) -> None:
    permit = _permit(live)
    market.permit = base64.urlsafe_b64encode(permit.to_wire()).rstrip(b"=").decode()
    with RenterSession(live.parts.public_url, marketplace=market.origin, signer=ALICE) as session:
        assert session.permit_for(session.post("/deploy", json=JOB)) == permit


def test_a_permit_the_answer_left_out_is_fetched(live: World, market: Market) -> None:
    permit = _permit(live)
    job = permit.permit.job
    now = int(time.time())
    record = Job(job, key_of(ALICE), b"f" * 32, None, "decided", "d", b"{}", now, now)
    live.store.begin_job(record, repeat_window_s=1)
    market.job = "0x" + job.hex()
    with RenterSession(live.parts.public_url, marketplace=market.origin, signer=ALICE) as session:
        assert session.permit_for(session.post("/deploy", json=JOB)) == permit
    with RenterSession(live.parts.public_url, marketplace=market.origin, signer=MALLORY) as thief:
        answer = thief.post("/deploy", json=JOB)
        assert thief.permit_for(answer) is None


def test_a_refused_rental_has_no_permit(live: World, market: Market) -> None:
    with RenterSession(live.parts.public_url, marketplace=market.origin, key="kg_x") as session:
        assert session.permit_for(session.post("/deploy", json=JOB)) is None


def test_without_a_proof_there_is_no_session(live: World) -> None:
    with pytest.raises(Malformed):
        RenterSession(live.parts.public_url, marketplace="http://127.0.0.1:1")


@pytest.mark.parametrize(
    "gate",
    ["http://gate.example", "ftp://gate.example", "https://u:p@gate.example", "gate.example",
     "https://gate.example/v1", "https://gate.example:99999"],
)  # fmt: skip
def test_a_gate_that_would_leak_tokens_is_refused(gate: str) -> None:
    with pytest.raises(Malformed):
        ControlPlane(gate)


# -- the control plane -------------------------------------------------------------------------


def test_signing_in_opening_a_case_and_making_a_key(live: World) -> None:
    gate = ControlPlane(live.parts.public_url)
    session = gate.sign_in(ALICE, chain_id=1, clock=time.time)
    assert session.account == key_of(ALICE)
    assert session.token not in repr(session)
    case = gate.open_case("person", {"name": "Ada", "country": "SG"})
    assert gate.status()["case"]["id"] == case["id"]
    key = gate.make_key(label="bot", days=1, scope=["rent"])
    assert [each["id"] for each in gate.keys()]  # noqa: SIM118 == [key["id"]]
    gate.revoke_key(key["id"])
    gate.sign_out()
    with pytest.raises(GateRefused) as refused:
        gate.status()
    assert refused.value.status == 401
    gate.close()


def test_what_a_netrc_file_says_of_a_host_takes_no_proofs_place(
    live: World, market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """requests would put it where our token stands, and beside our signature."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ann password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    gate = ControlPlane(live.parts.public_url)
    gate.sign_in(ALICE, chain_id=1, clock=time.time)
    assert gate.status()["account"]
    gate.close()
    with RenterSession(live.parts.public_url, marketplace=market.origin, signer=ALICE) as session:
        assert session.get("/list").ok
    assert "authorization" not in market.seen[-1][1]


def test_the_gates_complaint_keeps_its_field(live: World) -> None:
    gate = ControlPlane(live.parts.public_url)
    gate.sign_in(ALICE, chain_id=1, clock=time.time)
    with pytest.raises(Malformed) as wrong:
        gate.make_key(label="x", days=99)
    assert wrong.value.field == "days"
    gate.close()


def test_a_refusal_carries_outward_reasons(live: World) -> None:
    gate = ControlPlane(live.parts.public_url)
    gate.sign_in(ALICE, chain_id=1, clock=time.time)
    with pytest.raises(GateRefused) as refused:
        gate.ask_permit(JOB | TERMS)
    assert refused.value.outward_code == "missing:attestation"
    gate.close()


def test_no_answer_is_unavailable(live: World) -> None:
    gate = ControlPlane("http://127.0.0.1:9")
    with pytest.raises(Unavailable):
        gate.status()
    gate.close()


def test_a_message_for_another_place_is_never_signed(live: World) -> None:
    """A gate that relays another gate's challenge gets no signature."""

    class Watching:
        address = ALICE.address
        signed = 0

        def sign_digest(self, digest: bytes) -> bytes:
            self.signed += 1
            return ALICE.sign_digest(digest)

    relay = create_app(live.parts)
    watching = Watching()
    with listening(relay) as origin:
        gate = ControlPlane(origin)
        with pytest.raises(Malformed, match="domain, uri"):
            gate.sign_in(watching, chain_id=1, clock=time.time)
        gate.close()
    assert watching.signed == 0


def test_the_renters_code_loads_no_server() -> None:
    code = (
        "import sys, kycgate.client\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "rooms = {name for name in sys.modules if name.startswith('kycgate.')}\n"
        "assert not loaded & {'flask', 'werkzeug', 'sqlalchemy', 'alembic', 'aiohttp'}, loaded\n"
        "assert all(name.split('.')[1] in {'core', 'client', 'keys', 'errors'} for name in rooms)\n"
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, timeout=60)


def _permit(live: World) -> SignedPermit:
    """A permit of Alice's, from a desk that says yes."""
    live.registrar.attest(ACCOUNT, now=int(time.time()))
    gate = ControlPlane(live.parts.public_url)
    gate.sign_in(ALICE, chain_id=1, clock=time.time)
    permit = gate.ask_permit(JOB | TERMS)
    gate.close()
    return permit
