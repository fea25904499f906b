"""What verifying one attestation costs, beside the bare curve operation and the other libraries.

    python -m tests.bench.verify

Every row is made in this run: the Python contenders' rounds are interleaved and the median of their
CPU time is taken, so that a busy machine slows all of them alike; Node is measured right after, in
its own process and warmed up. "Cold" means that no attestation is seen twice within a round; the
issuer's domain is known, as it is in a running gate.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from coincurve import PublicKey
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_keys.backends import get_backend_class

from kycgate.core.attestation import (
    SignedAttestation,
    UnsafeNoRevocations,
    ValidAttestation,
    verify,
)
from kycgate.core.claims import SCHEMA_UID
from tests import tools
from tests.core import world

TARGET = 1.6
_DOCUMENTS, _ROUNDS = 400, 15
_QUICK_DOCUMENTS, _STOCK_DOCUMENTS = 100, 5

_NODE = """
const { Offchain } = require('@ethereum-attestation-service/eas-sdk');
const input = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const { documents, signer, eas } = input;
const offchain = new Offchain({ address: eas, version: '1.4.0', chainId: 1n }, 2, null);
const run = () => documents.every(
  (text) => offchain.verifyOffchainAttestationSignature(signer, JSON.parse(text)));
if (!run()) throw new Error('the SDK refuses what we signed');
const times = [];
for (let round = 0; round < 5; round++) {
  const before = process.cpuUsage();
  run();
  const used = process.cpuUsage(before);
  times.push((used.user + used.system) / documents.length);
}
times.sort((a, b) => a - b);
console.log(times[2]);
"""


def rows() -> list[dict[str, Any]]:
    """Measure; one row per peer, microseconds of CPU per attestation."""
    documents = _documents()
    ours, bare, quick, stock = _measure(documents)
    found = [
        _row("attestation verify, cold, vs bare secp256k1 recovery", ours, bare, TARGET),
        _row("attestation verify, cold, vs eth-account with coincurve", ours, quick, None),
        _row("attestation verify, cold, vs eth-account as installed alone", ours, stock, None),
    ]
    sdk = _sdk(documents)
    if sdk is not None:
        found.append(_row("attestation verify, cold, vs EAS SDK in Node", ours, sdk, None))
    return found


def _row(name: str, ours: float, peer: float, target: float | None) -> dict[str, Any]:
    ratio = ours / peer
    return {
        "name": name,
        "ours": round(ours, 2),
        "peer": round(peer, 2),
        "ratio": round(ratio, 4),
        "unit": "µs CPU",
        "target": target,
        "met": target is None or ratio <= target,
    }


def _documents() -> list[bytes]:
    return [
        world.signed(replace(world.SAID, recipient=os.urandom(20), salt=os.urandom(32))).to_wire()
        for _ in range(_DOCUMENTS)
    ]


def _ours(document: bytes) -> None:
    signed = SignedAttestation.from_wire(document)
    verdict = verify(
        signed,
        trust=world.TRUST,
        revocations=UnsafeNoRevocations(),
        recipient=signed.attestation.recipient,
        schema=SCHEMA_UID,
        now=world.NOW,
    )
    assert isinstance(verdict, ValidAttestation), verdict


def _eth_account(backend: str) -> Callable[[bytes], None]:
    """What a Python developer writes with eth-account, on one of its two curve libraries.

    eth-keys picks the library by this variable at each recovery; `Account.set_key_backend` does not
    reach recoveries. Without coincurve on the machine it picks the native one by itself.
    """

    def work(document: bytes) -> None:
        os.environ["ECC_BACKEND_CLASS"] = f"eth_keys.backends.{backend}"
        _recover_with_eth_account(document)

    work(world.signed().to_wire())
    assert get_backend_class().__name__ == backend
    return work


def _recover_with_eth_account(document: bytes) -> None:
    parsed = json.loads(document)
    typed = {key: parsed[key] for key in ("domain", "primaryType", "message")}
    typed["types"] = parsed["types"] | {
        "EIP712Domain": [
            {"name": "name", "type": "string"},
            {"name": "version", "type": "string"},
            {"name": "chainId", "type": "uint256"},
            {"name": "verifyingContract", "type": "address"},
        ]
    }
    for place, name in (("domain", "chainId"), ("message", "time"), ("message", "expirationTime")):
        typed[place][name] = int(typed[place][name])
    signature = parsed["signature"]
    vrs = (signature["v"], signature["r"], signature["s"])
    signer = Account.recover_message(encode_typed_data(full_message=typed), vrs=vrs)
    assert bytes.fromhex(signer[2:]) == world.ISSUER.address, signer


def _recoveries(documents: list[bytes]) -> list[tuple[bytes, bytes]]:
    pairs = []
    for document in documents:
        signed = SignedAttestation.from_wire(document)
        signature = signed.signature[:64] + bytes([signed.signature[64] - 27])
        pairs.append((signature, signed.attestation.digest(signed.domain)))
    return pairs


def _bare(pair: tuple[bytes, bytes]) -> None:
    PublicKey.from_signature_and_message(pair[0], pair[1], hasher=None)


def _measure(documents: list[bytes]) -> list[float]:
    contenders: list[tuple[Callable[[Any], None], Sequence[Any]]] = [
        (_ours, documents),
        (_bare, _recoveries(documents)),
        (_eth_account("CoinCurveECCBackend"), documents[:_QUICK_DOCUMENTS]),
        (_eth_account("NativeECCBackend"), documents[:_STOCK_DOCUMENTS]),
    ]
    times: list[list[float]] = [[] for _ in contenders]
    for _ in range(_ROUNDS):
        for (work, items), results in zip(contenders, times, strict=True):
            started = time.process_time()
            for item in items:
                work(item)
            results.append((time.process_time() - started) / len(items) * 1e6)
    del os.environ["ECC_BACKEND_CLASS"]
    return [statistics.median(results) for results in times]


def _sdk(documents: list[bytes]) -> float | None:
    program, modules = tools.node(), tools.node_modules()
    if program is None or modules is None:
        return None
    value = {
        "documents": [document.decode() for document in documents[:100]],
        "signer": "0x" + world.ISSUER.address.hex(),
        "eas": "0xA1207F3BBa224E2c9c3c6D5aF63D0eb1582Ce587",
    }
    done = subprocess.run(
        [str(program), "--no-warnings", "-e", _NODE],
        input=json.dumps(value).encode(),
        env={**os.environ, "NODE_PATH": str(modules)},
        capture_output=True,
        timeout=120,
        check=True,
    )
    return float(done.stdout)


def main() -> None:
    """Print the rows as a table."""
    for row in rows():
        target = "" if row["target"] is None else f"  (target {row['target']}, met: {row['met']})"
        print(
            f"{row['name']:<62} {row['ours']:>8} vs {row['peer']:>9} {row['unit']}"
            f"  ratio {row['ratio']}{target}"
        )


if __name__ == "__main__":
    main()
