"""Whether a GPU may be rented by somebody from here, owned from there: rules only, no person.

Knows no attestation, screening list or wallet: the gate asks for those too, so what is allowed here
may still be refused there, and nothing here can start a job.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from kycgate.core.claims import Action, Claims, Digest, JobRequest, Kind, Level
from kycgate.core.policy import (
    UNKNOWN_COUNTRY,
    Basis,
    Facts,
    GpuClass,
    LevelBelow,
    MoreHoursThan,
    Place,
    Policy,
    Region,
    Status,
)
from kycgate.errors import Malformed
from kycgate.screening.controls.countries import CountryTable
from kycgate.screening.controls.findings import Finding, Result, findings, outcome
from kycgate.screening.controls.gpus import GpuTable
from kycgate.screening.controls.thresholds import load_thresholds

_REGION = re.compile(r"([A-Z]{2})-[A-Z0-9]{1,3}", re.ASCII)
_NOBODY = Digest(bytes(32))


@dataclass(frozen=True, slots=True)
class Where:
    """A country (ISO 3166-1 numeric, 0 unknown) and, where told, the region in it (ISO 3166-2)."""

    country: int = UNKNOWN_COUNTRY
    region: str | None = None

    @classmethod
    def read(cls, text: str | None, countries: CountryTable) -> Where:
        """`SG`, `UA-43`, or None for unknown. Raises Malformed."""
        if text is None:
            return cls()
        code = text.upper()
        if match := _REGION.fullmatch(code):
            return cls(countries.numeric(match[1]), code)
        return cls(countries.numeric(code))


@dataclass(frozen=True, slots=True)
class Assessment:
    """A GPU and what the rules say of renting it out: `result` allow, deny or review."""

    gpu: GpuClass
    result: str
    findings: tuple[Finding, ...]

    def document(self) -> dict[str, Any]:
        gpu = self.gpu
        return {
            "model": gpu.model,
            "eccn": str(gpu.eccn),
            "tpp": gpu.tpp,
            "performance_density": gpu.performance_density,
            "confidence": gpu.confidence,
            "result": self.result,
            "rules": [finding.document() for finding in self.findings],
        }


def assess(
    text: str,
    *,
    count: int | None,
    renter: Where,
    ultimate: Where,
    at: int,
    policy: Policy,
    gpus: GpuTable,
) -> Assessment:
    """What the policy's rules at `at` (Unix seconds UTC) say of renting `count` of these GPUs out.

    A level of verification and hours are not asked for here: rules on them come back unknown.
    """
    if count is not None and count < 1:
        raise Malformed("a rental is of one GPU at least", field="count", remedy="1 or more")
    gpu = gpus.classify_at(text, at)
    job = JobRequest("", Action.RENT, text, count, None, None, None, None)
    facts = Facts(job, gpu, _claims(renter, ultimate), None, None, _regions(renter, ultimate))
    found = findings(policy, facts, at, not_given=(LevelBelow, MoreHoursThan))
    return Assessment(gpu, outcome(found), (*found, _class_finding(gpu, at)))


def _claims(renter: Where, ultimate: Where) -> Claims:
    """Only the two countries mean anything."""
    countries = renter.country, ultimate.country
    return Claims(_NOBODY, Kind.ORGANISATION, Level.HIGH, *countries, 0, 0, 0, _NOBODY, _NOBODY)


def _regions(renter: Where, ultimate: Where) -> frozenset[Region]:
    places = (Place.SUBJECT, renter.region), (Place.ULTIMATE, ultimate.region)
    return frozenset((place, region) for place, region in places if region is not None)


def _class_finding(gpu: GpuClass, at: int) -> Finding:
    """Where the class comes from. It is no rule, and changes no result."""
    figures = "no figures on file"
    if gpu.tpp is not None:
        density = gpu.performance_density
        figures = f"TPP {gpu.tpp}, performance density {'unknown' if density is None else density}"
    says = f"Class {gpu.eccn}: {figures}, {gpu.confidence} confidence"
    limits = load_thresholds()
    status = Status.IN_FORCE if at >= limits.starts else Status.UNVERIFIED
    return Finding(
        "gpu-class",
        Result.NOTE,
        str(status),
        str(Basis.LAW),
        limits.citation,
        says,
        gpu.note,
        checked="ecfr 2026-07-23",
    )
