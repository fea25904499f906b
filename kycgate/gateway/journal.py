"""The decision log's lines about requests: one for each decision, one for many refusals counted.

Decides nothing, and lets nobody fill the log: who asks too often is only counted.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import Any

import rfc8785

from kycgate.core.decision import Allow, Evidence, explain
from kycgate.core.policy import ListVersion
from kycgate.errors import Code, KycgateError, Reason
from kycgate.gateway import refusing
from kycgate.gateway.parts import GateParts
from kycgate.gateway.passage import Passage
from kycgate.store.records.jobs import DecisionFacts, Job

_TALLY_S = 60

_log = logging.getLogger(__name__)


class Journal:
    """Writes decisions, and counts what is not worth a line of its own."""

    def __init__(self, parts: GateParts) -> None:
        self._parts = parts
        self._strangers = refusing.Budget(burst=60, every_s=1)
        self._accounts = refusing.Budget(burst=30, every_s=2)
        self._tally = refusing.Tally(every_s=_TALLY_S)

    def name(self, passage: Passage) -> str:
        """The id by which log, upstream and caller speak of this request."""
        if passage.decision_id is None:
            passage.decision_id = self._parts.draw(16).hex()
        return passage.decision_id

    def decision(
        self,
        passage: Passage,
        *,
        granted: bool,
        unproven: Reason | None = None,
        job: Job | None = None,
    ) -> None:
        """One line of the decision log: digests and pseudonymous ids, never names."""
        evidence, route = passage.evidence, passage.route
        reasons = () if passage.decision is None else passage.decision.reasons
        if unproven is not None:
            reasons = (unproven,)
        body: dict[str, Any] = {
            "door": passage.view.door,
            "action": None if route is None else route.kind.value,
            "granted": granted,
            "mode": self._mode(passage),
            "account": None if passage.caller is None else passage.caller.account.key,
            "reason_codes": [str(reason.code) for reason in reasons],
            "rules": sorted({reason.rule for reason in reasons if reason.rule is not None}),
            "notes": sorted({str(note.code) for note in _notes(passage)}),
            "policy": None if passage.policy is None else passage.policy.digest.hex(),
            "lists": [] if evidence is None else [_list(entry) for entry in evidence.lists],
            "attestation": _attestation(evidence),
            "request": None if passage.job is None else passage.job.digest().hex(),
            "job": None if job is None else job.id.hex(),
            "decision": self.name(passage),
            "ownership": None if evidence is None else evidence.owners,
            "facts": self._facts(passage),
            "deployment": None if route is None else route.resource,
        }
        self._parts.log.append("decision", body, now=passage.view.now)

    def _facts(self, passage: Passage) -> str | None:
        """Keep what the decision stood on, so that it can be replayed; its digest for the log.

        Salted, so that nobody who holds the log alone can try out what the facts were.
        """
        if passage.decision is None or passage.facts is not None:
            return passage.facts
        salt = self._parts.draw(16).hex()
        body = rfc8785.dumps({"salt": salt, "told": explain(passage.decision)})
        self._parts.store.add_facts(DecisionFacts(self.name(passage), passage.view.now, body))
        passage.facts = hashlib.sha256(body).hexdigest()
        return passage.facts

    def _mode(self, passage: Passage) -> str:
        return str((passage.policy or self._parts.policy()).mode)

    # -- what may be written, and what is only counted ---------------------------------------------

    def may_write(self, passage: Passage) -> bool:
        """Whether this caller may cause another line; asking takes one from their budget."""
        now = passage.view.now
        if passage.caller is None:
            return self._strangers.take("", now)
        return self._accounts.take(passage.caller.account.key, now)

    def attempt(self, write: Callable[[], object]) -> bool:
        """A refusal stands whether or not it can be written down."""
        try:
            write()
        except KycgateError as error:
            _log.error("a refusal could not be recorded: %s", error.message)
            return False
        return True

    def refused(self, passage: Passage, code: Code, *, write: bool) -> None:
        """A refusal: a line where it was decided and may be written, else a count."""
        decided = passage.decision is not None and not isinstance(passage.decision, Allow)
        if decided and write:
            self.attempt(lambda: self.decision(passage, granted=False))
        else:
            self._count(code, passage.view.now)

    def observed(self, passage: Passage, reason: Reason) -> None:
        """An unproven caller that enforcement would have refused; it goes on as it came."""
        if self.may_write(passage):
            self.attempt(lambda: self.decision(passage, granted=False, unproven=reason))
        else:
            self._count(reason.code, passage.view.now)

    def note(self, code: Code, now: int) -> None:
        """Count it for a line to come; nothing is written now."""
        self._tally.note(code, now)

    def _count(self, code: Code, now: int) -> None:
        self._log_counts(self._tally.add(code, now), now)

    def flush(self, now: int) -> None:
        """Log what was only counted, if it is time."""
        self._log_counts(self._tally.due(now), now)

    def _log_counts(self, due: dict[str, Any] | None, now: int) -> None:
        if due is not None:
            self.attempt(lambda: self._parts.log.append("refusals", due, now=now))


def _list(entry: ListVersion) -> dict[str, Any]:
    return {"name": entry.name, "version": entry.version, "as_of": entry.as_of}


def _attestation(evidence: Evidence | None) -> str | None:
    found = None if evidence is None else evidence.attestation
    return None if found is None or found.uid is None else found.uid.hex()


def _notes(passage: Passage) -> tuple[Reason, ...]:
    """What was not known or asked, and bore on no verdict."""
    return () if passage.decision is None else passage.decision.notes
