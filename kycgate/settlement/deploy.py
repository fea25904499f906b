"""Puts EAS, a revoker, an escrow and a worthless token on a fresh chain, to try things out.

Not for a public chain: there EAS stands already, and roles belong to different people.
"""

from __future__ import annotations

from dataclasses import dataclass

from kycgate.chain import Chain, TransactionSigner
from kycgate.core.claims import SCHEMA_TEXT, SCHEMA_UID, ZERO_ADDRESS, Address
from kycgate.errors import Misconfigured
from kycgate.settlement.compiled import artifact


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Who may do what in the contracts. `licensor` and `compliance` differ."""

    root: Address
    permit_signer: Address
    publisher: Address
    compliance: Address
    licensor: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Where everything stands. `eas_version` is the EIP-712 version of EAS' own domain."""

    chain_id: int
    eas: Address
    eas_version: str
    schema_registry: Address
    revoker: Address
    escrow: Address
    token: Address


def deploy_all(
    chain: Chain,
    deployer: TransactionSigner,
    roles: Roles,
    *,
    hold_s: int,
    addition_delay_s: int,
) -> Deployment:
    """Deploy everything and register our schema.

    `hold_s` is how long held jobs wait for compliance, `addition_delay_s` how long new keys wait.
    """
    registry = _create(chain, deployer, "SchemaRegistry")
    _register_schema(chain, deployer, registry)
    eas = _create(chain, deployer, "EAS", registry)
    revoker = _create(
        chain, deployer, "Revoker", eas, roles.root, addition_delay_s, [roles.publisher]
    )
    parts = (roles.root, roles.compliance, roles.licensor, revoker)
    return Deployment(
        chain_id=chain.chain_id,
        eas=eas,
        eas_version=_version(chain, eas),
        schema_registry=registry,
        revoker=revoker,
        escrow=_create(
            chain,
            deployer,
            "GPURentalEscrow",
            eas,
            parts,
            hold_s,
            addition_delay_s,
            [roles.permit_signer],
        ),
        token=_create(chain, deployer, "DemoToken"),
    )


def mint(chain: Chain, signer: TransactionSigner, token: Address, to: Address, amount: int) -> None:
    """Make worthless tokens, in base units."""
    chain.send(signer, token, artifact("DemoToken").encode("mint", to, amount))


def _create(chain: Chain, deployer: TransactionSigner, name: str, *arguments: object) -> Address:
    return chain.deploy(deployer, artifact(name).creation(*arguments))


def _register_schema(chain: Chain, deployer: TransactionSigner, registry: Address) -> None:
    compiled = artifact("SchemaRegistry")
    chain.send(deployer, registry, compiled.encode("register", SCHEMA_TEXT, ZERO_ADDRESS, True))
    [found] = compiled.decode(
        "getSchema", chain.call(registry, compiled.encode("getSchema", SCHEMA_UID))
    )
    if found[0] != SCHEMA_UID:
        raise Misconfigured(("the registry names our schema otherwise than we do",))


def _version(chain: Chain, eas: Address) -> str:
    compiled = artifact("EAS")
    [version] = compiled.decode("version", chain.call(eas, compiled.encode("version")))
    return str(version)
