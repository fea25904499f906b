"""`kycgate attestation`: verify a signed attestation from a file, or sign one.

Reads no configuration and no store: all it needs stands on the line.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kycgate.cli.output import Exit, add_json_flag, complain, say
from kycgate.core.attestation import (
    LIFE_MOST_S,
    Domain,
    ForeignAttestation,
    InvalidAttestation,
    RevocationView,
    SignedAttestation,
    UnsafeAnyRecipient,
    UnsafeAnySchema,
    UnsafeNoRevocations,
    ValidAttestation,
    compose,
    verify,
    verify_foreign,
)
from kycgate.core.claims import (
    SCHEMA_UID,
    Address,
    Claims,
    Digest,
    Kind,
    Level,
    checksum,
    parse_address,
)
from kycgate.core.eas import LIMIT
from kycgate.core.signature import Valid, recover
from kycgate.core.trust import LIMIT as TRUST_LIMIT
from kycgate.core.trust import TrustedIssuer, TrustList, UnsafeAnyRoot
from kycgate.core.typed import keccak, word_address, word_uint
from kycgate.core.wire import digest, text, uint
from kycgate.errors import Code, Malformed, Reason, Refused, Unavailable
from kycgate.keys import load_signer

_REVOKED = {Code.REVOKED_ISSUER, Code.REVOKED_EPOCH, Code.REVOKED_ATTESTATION}
_RPC_TIMEOUT_S = 10
# keccak("getRevokeOffchain(address,bytes32)")[:4]
_GET_REVOKE_OFFCHAIN = bytes.fromhex("b469318d")


def add(group: argparse.ArgumentParser) -> None:
    """The commands of this group."""
    commands = group.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_verify(commands.add_parser("verify", help="hold an attestation against every rule"))
    _add_sign(commands.add_parser("sign", help="sign an attestation with an issuer key"))


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="what the EAS SDK writes; - reads stdin")
    parser.add_argument("--trust", metavar="FILE", help="a signed trust list")
    parser.add_argument("--root", metavar="0x…", help="the key that must have signed the list")
    parser.add_argument("--issuer", metavar="0x…", help="trust this issuer, and no other")
    parser.add_argument("--schema", metavar="0x…|any", help="default: kycgate's own schema")
    parser.add_argument("--at", metavar="UNIX", help="verify as of this moment; default: now")
    parser.add_argument("--rpc", metavar="URL", help="ask this chain whether it is revoked")
    parser.add_argument(
        "--revoker", metavar="0x…", help="who publishes account revocations; default: the issuer"
    )
    add_json_flag(parser)
    parser.set_defaults(run=run_verify)


def _add_sign(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", required=True, metavar="SPEC", help="file:PATH or env:NAME")
    parser.add_argument("--password", metavar="SPEC", help="of a keystore: file:PATH or env:NAME")
    parser.add_argument("--recipient", required=True, metavar="0x…")
    parser.add_argument("--kind", required=True, choices=[kind.name.lower() for kind in Kind])
    parser.add_argument("--level", required=True, type=int, choices=[int(level) for level in Level])
    parser.add_argument("--country", type=int, default=0, help="ISO 3166-1 numeric, 0 unknown")
    parser.add_argument("--ultimate-country", type=int, default=0)
    parser.add_argument("--verified-at", metavar="UNIX", help="default: now")
    parser.add_argument("--screened-at", metavar="UNIX", help="default: now")
    parser.add_argument("--epoch", type=int, default=0)
    parser.add_argument("--subject", metavar="0x…", help="pseudonym; default: a fresh one")
    parser.add_argument("--policy", metavar="0x…", default="0x" + "00" * 32)
    parser.add_argument("--evidence", metavar="0x…", help="commitment; default: a fresh one")
    parser.add_argument("--at", metavar="UNIX", help="its first second; default: now")
    parser.add_argument("--life", type=int, default=LIFE_MOST_S, metavar="SECONDS")
    parser.add_argument("--chain-id", required=True)
    parser.add_argument("--eas", required=True, metavar="0x…", help="the EAS contract")
    parser.add_argument("--eas-version", required=True, help="what the contract's VERSION says")
    add_json_flag(parser)
    parser.set_defaults(run=run_sign)


# -- verify --------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Answer:
    """What the command says; the six members of its JSON document."""

    verdict: str
    reason: Reason | None
    uid: bytes | None = None
    issuer: Address | None = None
    account: Address | None = None
    revocation: str = "not_checked"

    def document(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "reason": None if self.reason is None else str(self.reason.code),
            "uid": None if self.uid is None else "0x" + self.uid.hex(),
            "issuer": None if self.issuer is None else checksum(self.issuer),
            "account": None if self.account is None else checksum(self.account),
            "revocation": self.revocation,
        }

    def text(self) -> str:
        lines = [f"{self.verdict}: {self.reason.text}" if self.reason else self.verdict]
        for name, value in self.document().items():
            if name not in ("verdict", "reason") and value is not None:
                lines.append(f"  {name}: {value}")
        return "\n".join(lines)

    def exit(self) -> Exit:
        return {"valid": Exit.YES, "invalid": Exit.NO}.get(self.verdict, Exit.UNDECIDED)


def run_verify(args: argparse.Namespace) -> int:
    """Exit 0 valid, 1 invalid, 2 undecided, 64 when the line itself is wrong."""
    now = _moment(args.at, "--at") if args.at else int(time.time())
    answer = _judge_text(args, _read(args.file, LIMIT), now)
    say(args, answer.document(), answer.text())
    return answer.exit()


def _judge_text(args: argparse.Namespace, data: bytes, now: int) -> _Answer:
    schema = _schema(args.schema)
    try:
        signed = SignedAttestation.from_wire(data)
    except Malformed as error:
        complain(f"{error.field}: {error.message}")
        return _Answer("invalid", Reason(error.code, f"{error.field}: {error.message}"))
    said = signed.attestation
    verdict = recover(said.digest(signed.domain), signed.signature)
    signer = verdict.signer if isinstance(verdict, Valid) else None
    known = _Answer("undecided", None, said.uid(), signer, said.recipient)
    try:
        trust = _trust(args, signed, now)
        if trust is None:
            reason = Reason(Code.TRUST_MISSING, "say whom to trust: --trust FILE or --issuer 0x…")
            return replace(known, reason=reason)
        return _judge(signed, trust, schema, _view(args, signed), now, known)
    except Refused as error:
        return replace(known, reason=error.reasons[0])
    except Unavailable as error:
        return replace(known, reason=Reason(error.code, error.message))


def _judge(
    signed: SignedAttestation,
    trust: TrustList,
    schema: Digest | UnsafeAnySchema,
    view: RevocationView,
    now: int,
    known: _Answer,
) -> _Answer:
    recipient = UnsafeAnyRecipient()
    found: ValidAttestation | ForeignAttestation | InvalidAttestation
    if schema == SCHEMA_UID:
        found = verify(
            signed, trust=trust, revocations=view, recipient=recipient, schema=SCHEMA_UID, now=now
        )
    else:
        found = verify_foreign(
            signed, trust=trust, revocations=view, recipient=recipient, schema=schema, now=now
        )
    if isinstance(found, InvalidAttestation):
        revocation = "revoked" if found.reason.code in _REVOKED else "not_checked"
        return replace(known, verdict="invalid", reason=found.reason, revocation=revocation)
    revocation = "not_checked" if isinstance(view, UnsafeNoRevocations) else "clear"
    return replace(known, verdict="valid", revocation=revocation)


def _schema(text: str | None) -> Digest | UnsafeAnySchema:
    if text is None:
        return SCHEMA_UID
    return UnsafeAnySchema() if text == "any" else digest(text, field="--schema")


def _trust(args: argparse.Namespace, signed: SignedAttestation, now: int) -> TrustList | None:
    """The list that was handed in, or one for the issuer named; None: nobody is trusted."""
    issuer = None if args.issuer is None else parse_address(args.issuer, field="--issuer")
    root = UnsafeAnyRoot() if args.root is None else parse_address(args.root, field="--root")
    if args.trust is not None:
        data = _read(args.trust, TRUST_LIMIT)
        trust = TrustList.from_wire(data, root=root, now=now, lowest_sequence=0)
        if issuer is None:
            return trust
        entries = tuple(entry for entry in trust.issuers if entry.address == issuer)
        return TrustList(trust.sequence, trust.issued_at, trust.expires_at, entries, (), trust.root)
    if issuer is None:
        return None
    domain = signed.domain
    return TrustList.pinned(
        TrustedIssuer(issuer, domain.version, domain.chain_id, domain.eas, 0, None)
    )


# -- revocation on chain -------------------------------------------------------------------------
def _view(args: argparse.Namespace, signed: SignedAttestation) -> RevocationView:
    if args.rpc is None:
        return UnsafeNoRevocations()
    return _ChainView(
        url=args.rpc,
        domain=signed.domain,
        revoker=None if args.revoker is None else parse_address(args.revoker, field="--revoker"),
        at=None if args.at is None else _moment(args.at, "--at"),
    )


@dataclass(frozen=True, slots=True)
class _ChainView:
    """What the EAS contract says was revoked off chain, up to `at` (None: up to now)."""

    url: str
    domain: Domain
    revoker: Address | None
    at: int | None

    def revoked(
        self, *, issuer: Address, domain: bytes, uid: bytes, account: Address, epoch: int
    ) -> Code | None:
        """Raises Unavailable when the chain does not answer, or is another chain."""
        # The two marks of DESIGN 4.3: this attestation, and everything up to the account's epoch.
        epoch_mark = keccak(word_address(account) + word_uint(epoch))
        if self._marked(issuer, uid):
            return Code.REVOKED_ATTESTATION
        if self._marked(self.revoker or issuer, epoch_mark):
            return Code.REVOKED_EPOCH
        return None

    def _marked(self, by: Address, mark: bytes) -> bool:
        # Imported here: most verifications ask no chain.
        from kycgate.chain import Chain, Reverted

        chain = Chain([self.url], self.domain.chain_id, timeout_s=_RPC_TIMEOUT_S)
        try:
            answer = chain.call(self.domain.eas, _GET_REVOKE_OFFCHAIN + word_address(by) + mark)
        except Reverted as error:
            raise Unavailable(f"{checksum(self.domain.eas)} refused the question") from error
        finally:
            chain.close()
        if len(answer) != 32:
            place = f"{checksum(self.domain.eas)} on chain {self.domain.chain_id}"
            raise Unavailable(f"no EAS contract at {place}")
        since = int.from_bytes(answer, "big")
        return since != 0 and (self.at is None or since <= self.at)


# -- sign ----------------------------------------------------------------------------------------
def run_sign(args: argparse.Namespace) -> int:
    """Print the signed document, as the EAS SDK writes it."""
    signer = load_signer(args.key, password=args.password)
    now = int(time.time())
    claims = Claims(
        subject=_digest_or_fresh(args.subject, "--subject"),
        kind=Kind[args.kind.upper()],
        level=Level(args.level),
        country=args.country,
        ultimate_country=args.ultimate_country,
        verified_at=_moment(args.verified_at, "--verified-at") if args.verified_at else now,
        screened_at=_moment(args.screened_at, "--screened-at") if args.screened_at else now,
        epoch=args.epoch,
        policy=digest(args.policy, field="--policy"),
        evidence=_digest_or_fresh(args.evidence, "--evidence"),
    )
    attestation = compose(
        claims,
        recipient=parse_address(args.recipient, field="--recipient"),
        time=_moment(args.at, "--at") if args.at else now,
        life_s=args.life,
        salt=secrets.token_bytes(32),
    )
    eas = parse_address(args.eas, field="--eas")
    chain_id = uint(args.chain_id, field="--chain-id")
    domain = Domain(text(args.eas_version, field="--eas-version", most=32), chain_id, eas)
    signed = SignedAttestation.seal(
        attestation, domain, signer=signer.address, sign=signer.sign_digest
    )
    print(signed.to_wire().decode())
    return Exit.YES


def _digest_or_fresh(value: str | None, field: str) -> Digest:
    return Digest(secrets.token_bytes(32)) if value is None else digest(value, field=field)


# -- the line ------------------------------------------------------------------------------------
def _moment(value: str, field: str) -> int:
    return uint(value, field=field)


def _read(name: str, limit: int) -> bytes:
    try:
        if name == "-":
            return sys.stdin.buffer.read(limit + 1)
        with Path(name).open("rb") as file:
            return file.read(limit + 1)
    except OSError as e:
        raise Malformed(f"can't be read ({e.strerror})", field=name) from e
