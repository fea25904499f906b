"""Keeps every version of every screening list, so that any past decision can be looked up again.

Downloads and parses nothing, and judges no list: what is added here was found good before. A
version is never changed or removed. Readers need no lock; writers take turns, list by list.

    DIRECTORY/<list>/manifest.json               releases in the order they came into force
    DIRECTORY/<list>/<version>.jsonl.gz          the entries of one version, canonical, one a line
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import tempfile
import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from kycgate.core.policy import ListVersion
from kycgate.errors import NotFound, Unavailable
from kycgate.screening.entries import (
    Entry,
    EntryType,
    ListData,
    canonical_row,
    decode_entry,
    version_of_rows,
)
from kycgate.screening.sources import source
from kycgate.screening.sources.shipped import SHIPPED, WALLETS, shipped_list, shipped_sha256

FORMAT = 1
_MANIFEST = "manifest.json"
# Which publisher's file tells most about the parties of a list that stands in several.
_RICHER = ("ofac-advanced", "ofac-sdn", "us-csl")
_LEEWAY_S = 2 * 86_400
"""By how much one may be older: they are published some hours apart."""


@dataclass(frozen=True, slots=True)
class Release:
    """One version as it came into force. All moments are Unix seconds UTC.

    `at` is when it came into force here, `as_of` the publisher's date, `confirmed` the moments
    at which the publisher still gave out this version.
    """

    list: str
    version: str
    at: int
    as_of: int
    via: str
    """shipped, import or update"""
    source: str
    entries: int
    names: int
    identifiers: int
    wallets: int
    counts: Mapping[str, int]
    """publisher's list → entries, wallets on their own left out"""
    skipped: int = 0
    """entries of the file that had no name"""
    sha256: Mapping[str, str] | None = None
    """file → SHA-256 hex as received"""
    confirmed: tuple[int, ...] = ()

    def current_at(self, moment: int) -> int:
        """Until when, seen from `moment`, this is known to have been the publisher's list.

        A list that its publisher has left alone for longer than ever before counts from its own
        date: the file is still there, but nobody may be keeping it.
        """
        seen = bisect_right(self.confirmed, moment)
        last = self.confirmed[seen - 1] if seen else self.as_of
        quiet = moment - self.as_of > source(self.list).quiet_s
        return self.as_of if quiet else max(self.as_of, last)

    def listed(self, moment: int) -> ListVersion:
        """As a decision of that moment records it."""
        return ListVersion(self.list, self.version, self.current_at(moment))


@dataclass(frozen=True, slots=True)
class Failure:
    """The last thing that went wrong with a list; gone with the next success."""

    at: int
    message: str
    kept: int
    """entries of the version that stays in force"""
    found: int | None = None
    """entries of what was refused, if it could be read"""


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of a list. Entries are the same party when list and id are the same."""

    added: tuple[Entry, ...]
    removed: tuple[Entry, ...]
    changed: tuple[tuple[Entry, Entry], ...]
    """before and after, where the digest differs"""


@dataclass(frozen=True, slots=True)
class History:
    """Everything known of one list. `answers`: file → what its server said of its version."""

    releases: tuple[Release, ...] = ()
    failure: Failure | None = None
    answers: Mapping[str, Mapping[str, str]] | None = None


class Library:
    """The lists in a directory. The shipped lists are the first versions of an empty one.

    Raises Unavailable where the directory or a file in it can't be read or is damaged.
    """

    def __init__(self, directory: Path, *, now: int) -> None:
        self.directory = directory
        for name in SHIPPED:
            self._adopt(name, now)

    def names(self) -> tuple[str, ...]:
        """The lists that have at least one version."""
        try:
            found = sorted(path.parent.name for path in self.directory.glob(f"*/{_MANIFEST}"))
        except OSError as e:
            raise Unavailable(f"the lists in {self.directory} can't be read") from e
        names = (name.replace("+", ":") for name in found)
        return tuple(name for name in names if self.history(name).releases)

    def history(self, name: str) -> History:
        """What is known of a list; empty when nothing is."""
        path = self._folder(name) / _MANIFEST
        try:
            raw = json.loads(path.read_bytes())
            return _history(raw)
        except FileNotFoundError:
            return History()
        except (OSError, ValueError, LookupError, TypeError) as e:
            raise Unavailable(f"the manifest of the list {name!r} is damaged: {path}") from e

    def at(self, moment: int) -> tuple[Release, ...]:
        """The list versions in force then, by list name.

        The shipped list of wallets gives way to a later list of OFAC's own that names wallets:
        a wallet delisted since must not stay listed through a list of a fixed date.
        """
        found = [each for name in self.names() if (each := self._at(name, moment))]
        own = max(
            (each.as_of for each in found if each.list in _RICHER and each.wallets), default=0
        )
        return tuple(
            each
            for each in found
            if (each.list, each.via) != (WALLETS, "shipped") or each.as_of > own
        )

    def version(self, name: str, version: str) -> ListData:
        """One version of a list, whole. Raises NotFound; Unavailable when it is damaged."""
        history = self.history(name)
        release = next((each for each in history.releases if each.version == version), None)
        if release is None:
            raise NotFound(f"the list {name!r} has no version {version!r}")
        entries = _read_entries(self._folder(name) / f"{version}.jsonl.gz", version)
        counts = dict(Counter(entry.list for entry in entries))
        return ListData(name, version, release.as_of, entries, release.source, counts)

    def load(self, moment: int) -> tuple[ListData, ...]:
        """The lists in force then, each party once: OFAC's own files before the joint one."""
        data = [
            replace(self.version(each.list, each.version), as_of=each.current_at(moment))
            for each in self.at(moment)
        ]
        return each_party_once(data)

    def changes(self, name: str, old: str, new: str) -> Changes:
        """What differs between two versions of a list. Raises NotFound, Unavailable."""
        return changes_between(self.version(name, old), self.version(name, new))

    def keep(
        self, release: Release, data: ListData, answers: Mapping[str, Mapping[str, str]]
    ) -> bool:
        """Put a version in force, or confirm the one that is. Returns whether it is another.

        The entries are on the disk before the manifest names them, and the manifest is swapped
        in one step: a reader sees the old version or the new one. Raises Unavailable.
        """
        with self._writing(release.list) as folder:
            history = self.history(release.list)
            last = history.releases[-1] if history.releases else None
            fresh = last is None or last.version != release.version
            if fresh:
                _write(folder / f"{data.version}.jsonl.gz", _pack(data))
                releases = (*history.releases, _in_turn(release, last))
            else:
                releases = (*history.releases[:-1], _confirmed(last, release))
            _save(folder, replace(history, releases=releases, failure=None, answers=answers))
        return fresh

    def confirm(self, name: str, at: int) -> None:
        """The publisher still gives out the version in force. Raises Unavailable."""
        with self._writing(name) as folder:
            history = self.history(name)
            last = replace(history.releases[-1], confirmed=(*history.releases[-1].confirmed, at))
            releases = (*history.releases[:-1], last)
            _save(folder, replace(history, releases=releases, failure=None))

    def fail(self, name: str, failure: Failure) -> None:
        """Write down what went wrong; the version in force stays. Raises Unavailable."""
        with self._writing(name) as folder:
            _save(folder, replace(self.history(name), failure=failure))

    def _at(self, name: str, moment: int) -> Release | None:
        releases = self.history(name).releases
        return next((each for each in reversed(releases) if each.at <= moment), None)

    def _folder(self, name: str) -> Path:
        source(name)  # refuses what is no list name, and so no path
        return self.directory / name.replace(":", "+")

    def _adopt(self, name: str, now: int) -> None:
        """Keep a shipped list: the first version, or one that is newer than what is there."""
        releases, digest = self.history(name).releases, shipped_sha256(name)
        if any(digest in (each.sha256 or {}).values() for each in releases):
            return
        data = shipped_list(name)
        if releases and releases[-1].as_of >= data.as_of:
            return
        at = now if releases else data.as_of
        files = {SHIPPED[name][0]: digest}
        self.keep(release_of(data, at=at, via="shipped", sha256=files), data, {})

    @contextmanager
    def _writing(self, name: str) -> Iterator[Path]:
        folder = self._folder(name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "lock").open("a+b") as lock, _locked(lock):
                yield folder
        except OSError as e:
            raise Unavailable(f"the list {name!r} can't be written to {folder}: {e}") from e


def release_of(
    data: ListData,
    *,
    at: int,
    via: str,
    skipped: int = 0,
    sha256: Mapping[str, str] | None = None,
    confirmed: tuple[int, ...] = (),
) -> Release:
    """The release of a list version, its counts taken."""
    parties = [each for each in data.entries if each.type is not EntryType.WALLET]
    return Release(
        list=data.name,
        version=data.version,
        at=at,
        as_of=data.as_of,
        via=via,
        source=data.source,
        entries=len(data.entries),
        names=sum(len(each.names) for each in parties),
        identifiers=sum(len(each.identifiers) for each in parties),
        wallets=sum(len(each.wallets) for each in data.entries),
        counts=dict(Counter(each.list for each in parties)),
        skipped=skipped,
        sha256=sha256,
        confirmed=confirmed,
    )


def changes_between(old: ListData, new: ListData) -> Changes:
    """What differs between two versions of one list."""
    before = {(each.list, each.id): each for each in old.entries}
    after = {(each.list, each.id): each for each in new.entries}
    both = [key for key in after if key in before and after[key] != before[key]]
    return Changes(
        tuple(entry for key, entry in after.items() if key not in before),
        tuple(entry for key, entry in before.items() if key not in after),
        tuple((before[key], after[key]) for key in both if before[key].digest != after[key].digest),
    )


def each_party_once(data: Sequence[ListData]) -> tuple[ListData, ...]:
    """SDN entries stand in up to three files under one number: the richest file keeps them.

    Unless it is older: what the later file says of a party is never lost to the earlier.
    """
    by_name = {each.name: each for each in data}
    richer = list[ListData]()
    for name in _RICHER:
        if each := by_name.get(name):
            seen = {
                (entry.list, entry.id)
                for other in richer
                if other.as_of >= each.as_of - _LEEWAY_S
                for entry in other.entries
            }
            left = tuple(e for e in each.entries if (e.list, e.id) not in seen)
            by_name[name] = replace(each, entries=left)
            richer.append(each)
    return tuple(each for each in by_name.values() if each.entries)


def _in_turn(release: Release, last: Release | None) -> Release:
    """Releases come into force one after the other, whatever the clocks of two machines say."""
    if last is None or release.at > last.at:
        return release
    return replace(release, at=last.at + 1)


def _confirmed(last: Release | None, again: Release) -> Release:
    if last is None:
        return again
    moments = tuple(sorted({*last.confirmed, *again.confirmed}))
    return replace(last, as_of=max(last.as_of, again.as_of), confirmed=moments)


def _pack(data: ListData) -> bytes:
    head = {"format": FORMAT, "list": data.name, "version": data.version, "source": data.source}
    rows = [json.dumps(head).encode(), *map(canonical_row, data.entries)]
    return gzip.compress(b"\n".join(rows) + b"\n", compresslevel=6, mtime=0)


def _read_entries(path: Path, version: str) -> tuple[Entry, ...]:
    try:
        head, *rows = gzip.decompress(path.read_bytes()).decode().splitlines()
        if json.loads(head)["format"] != FORMAT:
            raise Unavailable(f"{path} is of another format: use the kycgate that wrote it")
        # The rows are the canonical ones that the version is the hash of.
        if version_of_rows(row.encode() for row in rows) != version:
            raise ValueError("the entries are not those of the version")
        return tuple(map(decode_entry, json.loads(f"[{','.join(rows)}]")))
    except (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError) as e:
        raise Unavailable(f"a list version is missing or damaged: {path}") from e


def _save(folder: Path, history: History) -> None:
    document = {"format": FORMAT, **asdict(history)}
    text = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True)
    _write(folder / _MANIFEST, text.encode() + b"\n")


def _history(raw: Mapping[str, Any]) -> History:
    if raw["format"] != FORMAT:
        raise ValueError("another format")
    releases = tuple(
        Release(**{**each, "confirmed": tuple(each["confirmed"])}) for each in raw["releases"]
    )
    failure = Failure(**raw["failure"]) if raw["failure"] else None
    return History(releases, failure, raw["answers"])


def _write(path: Path, content: bytes) -> None:
    """The whole file or none of it, also when the power goes."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.chmod(file.name, 0o644)  # public data; the gate may be another user
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise


if sys.platform == "win32":
    import msvcrt

    @contextmanager
    def _locked(file: IO[bytes]) -> Iterator[None]:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
        try:
            yield
        finally:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    @contextmanager
    def _locked(file: IO[bytes]) -> Iterator[None]:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
