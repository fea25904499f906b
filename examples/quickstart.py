"""Two companies ask for the same eight H100: one may have them, one may not, and it says why."""

from pathlib import Path

from kycgate.core.attestation import SignedAttestation, UnsafeNoRevocations, verify
from kycgate.core.claims import SCHEMA_UID, Account, Action, JobRequest, parse_address
from kycgate.core.decision import Evidence, decide
from kycgate.core.policy import ListVersion
from kycgate.core.trust import TrustList
from kycgate.screening.controls import load_default_policy, load_gpus

FILES = Path(__file__).parent / "attestations"
NOW = 1_795_000_000  # the files were signed for this moment
ROOT = parse_address("0x5c6B4347c3AeE0091909f7F57729E34Ae9D66DeA")

trust = TrustList.from_wire(
    (FILES / "trust.json").read_bytes(), root=ROOT, now=NOW, lowest_sequence=1
)
policy, gpu = load_default_policy(), load_gpus().classify("H100")
lists = (ListVersion("us-csl", "2026-11-18", NOW - 3600),)
job = JobRequest("io.net", Action.RENT, "H100", 8, 24, None, None, None)
for name in ("singapore_company.json", "subsidiary_of_shenzhen.json"):
    signed = SignedAttestation.from_wire((FILES / name).read_bytes())
    renter = Account(signed.attestation.recipient)
    attestation = verify(
        signed,
        trust=trust,
        revocations=UnsafeNoRevocations(),
        recipient=renter.address,
        schema=SCHEMA_UID,
        now=NOW,
    )
    decision = decide(job, Evidence(renter, attestation, gpu, None, NOW, lists), policy, NOW)
    print(type(decision).__name__, "·", name.removesuffix(".json").replace("_", " "))
    for reason in decision.reasons:
        print("    ", reason.code, "·", reason.text)
