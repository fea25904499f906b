"""`kycgate export`: the operator's word in public or foreign forms, as transactions to send.

Sends nothing but revocations, and needs neither configuration nor store: all stands on the line.
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from kycgate.chain import Chain
from kycgate.cli.output import Exit, add_json_flag, say
from kycgate.core.attestation import (
    InvalidAttestation,
    SignedAttestation,
    UnsafeAnyRecipient,
    ValidAttestation,
    verify,
)
from kycgate.core.claims import SCHEMA_UID, Address, checksum, parse_address
from kycgate.core.permit import SignedPermit
from kycgate.core.trust import TrustedIssuer, TrustList
from kycgate.core.wire import digest, hex_bytes, require_shallow, uint
from kycgate.errors import Malformed, Refused
from kycgate.keys import Signer, load_secret, load_signer
from kycgate.settlement.exports import access_token, argument_types, identity_claim
from kycgate.settlement.onchain import (
    ChainRevocations,
    NotPublished,
    PublicRecords,
    PublicRevocations,
    PublicStatements,
)
from kycgate.settlement.onchain_form import account_pseudonym, find_delegate

_DAY_S = 86400
_FILE_MOST = 64 * 1024
_BYTES_MOST = 64 * 1024


def add(group: argparse.ArgumentParser) -> None:
    """The commands of this group."""
    commands = group.add_subparsers(dest="command", metavar="COMMAND", required=True)
    offer = _command(
        commands, "offer", "a public EAS attestation, for its renter to send", run_offer
    )
    _add_attestation(offer)
    _add_chain(offer)
    _add_delegate(offer)
    status = _command(commands, "status", "whether a public attestation holds", run_status)
    status.add_argument("uid", metavar="UID")
    status.add_argument("--issuer", required=True, metavar="0x…")
    _add_chain(status)
    _add_delegate(status)
    revoke = _command(
        commands, "revoke", "revoke public attestations of revoked accounts", run_revoke
    )
    _add_key(revoke, "the issuer's key")
    revoke.add_argument("--payer", required=True, metavar="SPEC", help="the key that pays for gas")
    revoke.add_argument("--from-block", default="0", metavar="N", help="30 days back will do")
    _add_chain(revoke)
    _add_delegate(revoke)
    claim = _command(commands, "erc735", "an ERC-735 claim for an ONCHAINID identity", run_claim)
    _add_attestation(claim)
    _add_chain(claim)
    claim.add_argument("--eas", required=True, metavar="0x…", help="where revocations are read")
    claim.add_argument("--identity", required=True, metavar="0x…")
    claim.add_argument("--claim-issuer", required=True, metavar="0x…", help="holds our key")
    _add_token(_command(commands, "eat", "a permit as an Ethereum Access Token", run_token))


def _command(commands: Any, name: str, text: str, run: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    add_json_flag(parser)
    parser.set_defaults(run=run)
    return parser


def _add_key(parser: argparse.ArgumentParser, whose: str) -> None:
    parser.add_argument("--key", required=True, metavar="SPEC", help=f"{whose}: file:… or env:…")
    parser.add_argument("--password", metavar="SPEC", help="of a keystore: file:PATH or env:NAME")


def _add_attestation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a signed attestation of this key")
    _add_key(parser, "the issuer's key")
    parser.add_argument(
        "--secret", required=True, metavar="SPEC", help="makes pseudonyms: 32 bytes, kept for ever"
    )
    parser.add_argument("--days", type=int, default=7, help="how long it lives, 1 to 30")


def _add_chain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rpc", required=True, metavar="URL")
    parser.add_argument("--chain-id", required=True, metavar="N")
    parser.add_argument(
        "--revoker", required=True, metavar="0x…", help="whose account revocations count"
    )


def _add_delegate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--contract", required=True, metavar="0x…", help="EAS, or its EIP712Proxy (any order)"
    )


def _add_token(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a permit that this key signed")
    _add_key(parser, "the permit key, also the verifier's issuer")
    parser.add_argument("--verifier", required=True, metavar="0x…", help="AccessTokenVerifier")
    parser.add_argument("--target", required=True, metavar="0x…", help="the contract called")
    parser.add_argument(
        "--function",
        required=True,
        metavar="SIGNATURE",
        help="name(uint8,bytes32,bytes32,uint256,…)",
    )
    parser.add_argument(
        "--arguments",
        required=True,
        metavar="JSON",
        help="what follows the proof, the permit's job among it",
    )


# -- on chain ------------------------------------------------------------------------------------
def run_offer(args: argparse.Namespace) -> int:
    """Print the transaction that puts an attestation's public form on chain."""
    signer, now = load_signer(args.key, password=args.password), int(time.time())
    with closing(_chain(args)) as chain:
        records = _records(args, chain, signer.address)
        statements = PublicStatements(records, signer=signer, secret=load_secret(args.secret))
        held = _held(args, signer, records.revocations, now)
        offer = statements.offer(held, life_s=args.days * _DAY_S, now=now)
    document = _transaction(chain.chain_id, offer.delegate.contract, offer.call_data()) | {
        "attester": checksum(offer.attester),
        "recipient": checksum(offer.recipient),
        "pseudonym": "0x" + offer.claims.pseudonym.hex(),
        "send_by": offer.deadline,
        "expires_at": offer.expires_at,
    }
    return _show(args, document)


def run_status(args: argparse.Namespace) -> int:
    """Exit 0 when the record holds now, 1 when not."""
    with closing(_chain(args)) as chain:
        records = _records(args, chain, parse_address(args.issuer, field="--issuer"))
        found = records.read(digest(args.uid, field="UID"), now=int(time.time()))
    if isinstance(found, NotPublished):
        refused = {"verdict": "invalid", "reason": str(found.reason.code)}
        say(args, refused, f"invalid: {found.reason.text}")
        return Exit.NO
    document = {
        "verdict": "valid",
        "account": checksum(found.account),
        "level": int(found.claims.level),
        "verified_at": found.claims.verified_at,
        "epoch": found.claims.epoch,
        "expires_at": found.expires_at,
    }
    return _show(args, document)


def run_revoke(args: argparse.Namespace) -> int:
    """Send one revocation for each record whose account EAS shows as revoked."""
    signer = load_signer(args.key, password=args.password)
    with closing(_chain(args)) as chain:
        records = _records(args, chain, signer.address)
        swept = PublicRevocations(records, signer=signer).sweep(
            load_signer(args.payer),
            from_block=uint(args.from_block, field="--from-block"),
            now=int(time.time()),
        )
    uids = ["0x" + uid.hex() for uid in swept]
    say(args, {"revoked": uids}, "\n".join(uids) or "nothing to revoke")
    return Exit.YES


# -- other systems' forms ------------------------------------------------------------------------
def run_claim(args: argparse.Namespace) -> int:
    """Print the transaction that adds the claim to its identity."""
    signer, now = load_signer(args.key, password=args.password), int(time.time())
    with closing(_chain(args)) as chain:
        revocations = ChainRevocations(
            chain, parse_address(args.eas, field="--eas"), _revoker(args)
        )
        held = _held(args, signer, revocations, now)
        pseudonym = account_pseudonym(
            load_secret(args.secret),
            subject=held.claims.subject,
            account=held.account,
            chain_id=chain.chain_id,
        )
        claim = identity_claim(
            held,
            signer=signer,
            identity=parse_address(args.identity, field="--identity"),
            issuer=parse_address(args.claim_issuer, field="--claim-issuer"),
            pseudonym=pseudonym,
            revocations=revocations,
            life_s=args.days * _DAY_S,
            now=now,
        )
    document = _transaction(chain.chain_id, claim.identity, claim.call_data()) | {
        "topic": str(claim.topic),
        "data": "0x" + claim.data.hex(),
        "signature": "0x" + claim.signature.hex(),
    }
    return _show(args, document)


def run_token(args: argparse.Namespace) -> int:
    """Print the renter's call of the gated function."""
    signed = SignedPermit.from_wire(_read(args.file))
    token, signature = access_token(
        signed,
        signer=load_signer(args.key, password=args.password),
        verifier=parse_address(args.verifier, field="--verifier"),
        target=parse_address(args.target, field="--target"),
        function=args.function,
        arguments=_arguments(args.function, args.arguments),
        now=int(time.time()),
    )
    call = _transaction(signed.domain.chain_id, token.target, token.call_data(signature))
    return _show(args, call | {"from": checksum(token.caller), "expiry": token.expiry})


def _arguments(function: str, text: str) -> list[Any]:
    types = argument_types(function)
    require_shallow(text.encode(), field="--arguments")
    try:
        values = json.loads(text)
    except ValueError as e:
        raise Malformed("not JSON", field="--arguments", remedy='["0x…", 1]') from e
    if not isinstance(values, list) or len(values) != len(types):
        raise Malformed(f"not a list of {len(types)}", field="--arguments")
    return [_argument(kind, value) for kind, value in zip(types, values, strict=True)]


def _argument(kind: str, value: Any) -> Any:
    if kind.startswith("bytes") and "[" not in kind:
        return hex_bytes(value, field="--arguments", most=_BYTES_MOST)
    if kind.startswith("uint") and "[" not in kind:
        return uint(value, field="--arguments", most=2**256 - 1)
    if kind == "address":
        return parse_address(value, field="--arguments")
    if kind in ("string", "bool"):
        return value
    raise Malformed(f"{kind} is for the library, not for a command line", field="--function")


# -- the line ------------------------------------------------------------------------------------
def _chain(args: argparse.Namespace) -> Chain:
    return Chain([args.rpc], uint(args.chain_id, field="--chain-id"))


def _revoker(args: argparse.Namespace) -> Address:
    return parse_address(args.revoker, field="--revoker")


def _records(args: argparse.Namespace, chain: Chain, issuer: Address) -> PublicRecords:
    contract = parse_address(args.contract, field="--contract")
    delegate = find_delegate(chain, contract)
    return PublicRecords(chain, delegate, issuer=issuer, revoker=_revoker(args))


def _held(
    args: argparse.Namespace, signer: Signer, revocations: ChainRevocations, now: int
) -> ValidAttestation:
    """The file's attestation, by this very key and standing now. Raises Malformed, Refused."""
    signed = SignedAttestation.from_wire(_read(args.file))
    domain = signed.domain
    own = TrustedIssuer(signer.address, domain.version, domain.chain_id, domain.eas, 0, None)
    found = verify(
        signed,
        trust=TrustList.pinned(own),
        revocations=revocations,
        recipient=UnsafeAnyRecipient(),
        schema=SCHEMA_UID,
        now=now,
    )
    if isinstance(found, InvalidAttestation):
        raise Refused(
            f"the attestation does not hold: {found.reason.text}", reasons=(found.reason,)
        )
    return found


def _read(name: str) -> bytes:
    try:
        with Path(name).open("rb") as file:
            return file.read(_FILE_MOST + 1)
    except OSError as e:
        raise Malformed(f"can't be read ({e.strerror})", field=name) from e


def _transaction(chain_id: int, to: Address, data: bytes) -> dict[str, Any]:
    return {"chainId": chain_id, "to": checksum(to), "value": "0x0", "input": "0x" + data.hex()}


def _show(args: argparse.Namespace, document: dict[str, Any]) -> int:
    say(args, document, "\n".join(f"{name}: {value}" for name, value in document.items()))
    return Exit.YES
