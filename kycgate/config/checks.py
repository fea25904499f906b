"""What one setting means for another: every contradiction, at the line where it stands.

Looks at values that are sound by themselves; opens nothing they name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from kycgate.config.sections import Gate, Hooks
from kycgate.config.verifying import Import, RetentionElsewhere
from kycgate.config.whole import OFFERED, Config


@dataclass(slots=True)
class Report:
    """Collects problems and knows at which line a setting stands."""

    name: str
    lines: list[str]
    problems: list[str] = field(default_factory=list)

    def add(self, section: str, key: str | None, what: str) -> None:
        place = section if key is None else f"{section}.{key}"
        self.problems.append(f"{self.name}:{self._line(section, key)}: {place}: {what}")

    def _line(self, section: str, key: str | None) -> int:
        inside = 0
        for number, line in enumerate(self.lines, 1):
            header = re.match(r"\s*\[{1,2}\s*([A-Za-z0-9_.-]+)\s*\]", line)
            if header:
                inside = number if header[1] == section else 0
                if inside and key is None:
                    return number
            elif inside and re.match(rf'\s*"?{re.escape(key or "")}"?\s*=', line):
                return number
        return max(inside, 1)


def cross_check(config: Config, report: Report) -> None:
    """Report everything that does not go together; every section is there and sound by itself."""
    _check_settlement(config, report)
    _check_gate(config.gate, report)
    _check_hooks(config.hooks, report)
    _check_listeners(config.gate, config.hooks, report)
    _check_chains(config, report)
    _check_lists(config, report)
    _check_secrets(config, report)
    _check_providers(config, report)
    _check_imports(config.imports, report)
    _check_retention(config.retention, report)


def _check_settlement(config: Config, report: Report) -> None:
    settlement = config.settlement
    if settlement.mode == "escrow":
        for key in ("escrow", "revoker", "token", "provider"):
            if getattr(settlement, key) is None:
                report.add("settlement", key, 'is needed when mode = "escrow"')
        if not settlement.rpc:
            report.add("settlement", "rpc", 'is needed when mode = "escrow"')


def _check_gate(gate: Gate, report: Report) -> None:
    if gate.forward_auth and "rent" in gate.forward_auth_routes:
        report.add(
            "gate",
            "forward_auth_routes",
            f"{gate.forward_auth} shows the gate neither the body nor the answer of a"
            ' renting request: take "rent" out, and send these routes to gate.listen',
        )


def _check_chains(config: Config, report: Report) -> None:
    ids = [config.settlement.chain_id, *(chain.id for chain in config.chains)]
    if len(set(ids)) != len(ids):
        report.add("chain", "id", "names a chain twice, or the settlement's own")
    if config.chains and config.settlement.mode != "escrow":
        report.add("chain", None, 'needs [settlement] mode = "escrow"')


def _check_lists(config: Config, report: Report) -> None:
    issuer, screening = config.issuer, config.screening
    if issuer.trust_list and issuer.root is None:
        report.add("issuer", "root", "is needed with trust_list: the address of the offline root")
    if screening.alarm_age_s > screening.max_age_s:
        report.add("screening", "alarm_age_s", "must not exceed max_age_s")
    if screening.backend == "yente" and screening.yente_url is None:
        report.add("screening", "yente_url", 'is needed when backend = "yente"')


def _check_secrets(config: Config, report: Report) -> None:
    """A key without its other half is of no use, and one key has one use."""
    credentials, vault = config.credentials, config.vault
    if (credentials.certificate is None) != (credentials.certificate_key is None):
        text = "needs certificate and certificate_key, both or neither"
        report.add("credentials", "certificate", text)
    if vault.keys != "file" and vault.address == "none":
        report.add("vault", "address", f'is needed with keys = "{vault.keys}"')
    used: dict[str, str] = {}
    for key in ("issuer", "permit", "log", "vault", "assertion"):
        spec = getattr(config.keys, key)
        if spec is None:
            continue
        if spec in used:
            report.add("keys", key, f"is the same key as {used[spec]}; one key, one use")
        used.setdefault(spec, key)


def _check_providers(config: Config, report: Report) -> None:
    """A sandbox in a live gate could mint a live attestation."""
    environment = config.identity.environment
    for name in OFFERED:
        offered = getattr(config, name)
        if offered is None:
            continue
        if offered.environment != environment:
            report.add(name, "environment", f'is not that of [identity], "{environment}"')
        if offered.url is not None and environment != "test":
            report.add(name, "url", 'only with [identity] environment = "test"')
        if not offered.webhook_secrets:
            report.add(name, "webhook_secrets", "needs at least one: unsigned messages are refused")
    names = [*OFFERED, "credential", "documents"]
    for each in config.providers:
        if each.environment != environment:
            report.add("provider", "environment", f'is not that of [identity], "{environment}"')
        if each.name in names or not re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", each.name):
            report.add("provider", "name", "is taken, or not small letters, digits, - and _")
        names.append(each.name)


def _check_imports(imports: tuple[Import, ...], report: Report) -> None:
    names = [each.name for each in imports]
    if len(set(names)) != len(names):
        report.add("import", "name", "stands twice")
    for each in imports:
        for key in ("rpc", "issuers", "schemas"):
            if not getattr(each, key):
                report.add("import", key, "is empty: nobody's records would count")


def _check_hooks(hooks: Hooks, report: Report) -> None:
    names = [name for name, _ in (*hooks.dstack, *hooks.skypilot)]
    secrets = [digest for _, digest in (*hooks.dstack, *hooks.skypilot)]
    if len(set(names)) != len(names):
        report.add("hooks", None, "names a scheduler twice: users are told apart by its name")
    if len(set(secrets)) != len(secrets):
        report.add("hooks", None, "gives two schedulers one secret: each needs its own")
    dstack, told = {name for name, _ in hooks.dstack}, [name for name, *_ in hooks.stop]
    for name in told:
        if name not in dstack:
            report.add("hooks", "stop", f'"{name}" is the name of no server in hooks.dstack')
    if len(set(told)) != len(told):
        report.add("hooks", "stop", "names a server twice")


def _check_listeners(gate: Gate, hooks: Hooks, report: Report) -> None:
    """Two doors at one address: the second would fail at start, or answer for the first."""
    taken: dict[tuple[str, int] | Path, str] = {gate.listen: "gate.listen"}
    doors: list[tuple[str, str, tuple[str, int] | Path]] = [
        ("gate", "control_listen", gate.control_listen)
    ]
    if gate.forward_auth is not None:
        doors.append(("gate", "forward_auth_listen", gate.forward_auth_listen))
    if hooks.dstack or hooks.skypilot:
        doors.append(("hooks", "listen", hooks.listen))
    for section, key, bind in doors:
        if bind in taken and (isinstance(bind, Path) or bind[1] != 0):
            report.add(section, key, f"is {taken[bind]} already: each door needs its own")
        taken.setdefault(bind, f"{section}.{key}")


def _check_retention(retention: tuple[RetentionElsewhere, ...], report: Report) -> None:
    countries = [each.country for each in retention]
    if len(set(countries)) != len(countries):
        report.add("retention", "country", "names a country twice")
