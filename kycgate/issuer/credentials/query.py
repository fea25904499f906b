"""What we ask a wallet for, in the Digital Credentials Query Language (OpenID4VP 1.0, 6).

Only what the office needs: name, birth date, country, document number, expiry, issuing country.
Neither a portrait, an address nor a driving privilege.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

MDL_DOCTYPE: Final = "org.iso.18013.5.1.mDL"
MDL_NAMESPACE: Final = "org.iso.18013.5.1"
PID_DOCTYPE: Final = "eu.europa.ec.eudi.pid.1"
PID_NAMESPACE: Final = "eu.europa.ec.eudi.pid.1"
PID_VCT: Final = "urn:eudi:pid:1"
JOSE_NAMES: Final = ("ES256", "ES384", "ES512", "EdDSA")
COSE_NUMBERS: Final = (-7, -9, -35, -36, -8)


class CredentialType(StrEnum):
    """A credential in one format. The value is its id in the query and in the configuration."""

    PID_SD_JWT = "pid-sd-jwt"
    PID_MDOC = "pid-mdoc"
    MDL = "mdl"

    @property
    def is_mdoc(self) -> bool:
        return self is not CredentialType.PID_SD_JWT

    @property
    def doctype(self) -> str:
        return MDL_DOCTYPE if self is CredentialType.MDL else PID_DOCTYPE


@dataclass(frozen=True, slots=True)
class _Asked:
    """The claims of one type: what must come, and what is taken where there is any, best first."""

    must: tuple[tuple[str, ...], ...]
    welcome: tuple[tuple[tuple[str, ...], ...], ...]


def _in(namespace: str, *names: str) -> tuple[tuple[str, ...], ...]:
    return tuple((namespace, name) for name in names)


_ASKED: Final = {
    CredentialType.MDL: _Asked(
        _in(
            MDL_NAMESPACE,
            "family_name",
            "given_name",
            "birth_date",
            "issuing_country",
            "document_number",
            "expiry_date",
        ),
        (
            _in(MDL_NAMESPACE, "resident_country", "nationality"),
            _in(MDL_NAMESPACE, "resident_country"),
            _in(MDL_NAMESPACE, "nationality"),
            (),
        ),
    ),
    CredentialType.PID_MDOC: _Asked(
        _in(
            PID_NAMESPACE,
            "family_name",
            "given_name",
            "birth_date",
            "nationality",
            "issuing_country",
            "expiry_date",
        ),
        (
            _in(PID_NAMESPACE, "resident_country", "document_number"),
            _in(PID_NAMESPACE, "document_number"),
            _in(PID_NAMESPACE, "resident_country"),
            (),
        ),
    ),
    CredentialType.PID_SD_JWT: _Asked(
        (
            ("family_name",),
            ("given_name",),
            ("birthdate",),
            ("nationalities",),
            ("issuing_country",),
            ("date_of_expiry",),
        ),
        (
            (("address", "country"), ("document_number",)),
            (("document_number",),),
            (("address", "country"),),
            (),
        ),
    ),
}


def dcql(types: Sequence[CredentialType], *, vct: Sequence[str]) -> dict[str, Any]:
    """A query that one credential of any of these types answers, the first preferred."""
    return {
        "credentials": [_credential(each, vct) for each in types],
        "credential_sets": [{"options": [[str(each)] for each in types], "required": True}],
    }


def formats() -> dict[str, Any]:
    """`vp_formats_supported`: the algorithms the verifier takes (OpenID4VP 1.0, B.2.2, B.3.4)."""
    jose, cose = list(JOSE_NAMES), list(COSE_NUMBERS)
    return {
        "mso_mdoc": {"issuerauth_alg_values": cose, "deviceauth_alg_values": cose},
        "dc+sd-jwt": {"sd-jwt_alg_values": jose, "kb-jwt_alg_values": jose},
    }


def _credential(kind: CredentialType, vct: Sequence[str]) -> dict[str, Any]:
    asked = _ASKED[kind]
    paths = [*asked.must, *dict.fromkeys(path for extra in asked.welcome for path in extra)]
    meta = {"doctype_value": kind.doctype} if kind.is_mdoc else {"vct_values": list(vct)}
    return {
        "id": str(kind),
        "format": "mso_mdoc" if kind.is_mdoc else "dc+sd-jwt",
        "meta": meta,
        "claims": [_claim(kind, path) for path in paths],
        "claim_sets": [[_name(path) for path in (*asked.must, *extra)] for extra in asked.welcome],
    }


def _claim(kind: CredentialType, path: tuple[str, ...]) -> dict[str, Any]:
    claim: dict[str, Any] = {"id": _name(path), "path": list(path)}
    # We keep what identifies a customer, sealed, as the law asks: the wallet may say so.
    return claim | ({"intent_to_retain": True} if kind.is_mdoc else {})


def _name(path: tuple[str, ...]) -> str:
    return "-".join(path[1:] if path[0] in (MDL_NAMESPACE, PID_NAMESPACE) else path)
