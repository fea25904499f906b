"""Takes new versions of lists in: from the publisher or from a file, read whole and compared.

A version that is damaged, older or much smaller than the one in force is refused with the
counts; the one in force stays, and the failure is written down beside it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import requests

from kycgate.errors import Conflict, KycgateError, Malformed, Misconfigured, TooLarge
from kycgate.screening.entries import ListData, list_data
from kycgate.screening.library import Failure, Library, Release, release_of
from kycgate.screening.sources import ListSource, source, url_key, url_of
from kycgate.screening.sources.fetching import Fetched, fetch
from kycgate.screening.sources.reading import Reading

MOST_LOST = {"entries": 0.10, "names": 0.10, "identifiers": 0.30, "wallets": 0.50}
"""Largest share of each that may be gone from one version to the next. Of wallets the Treasury
has taken a third off in one day (2025-03-21); of parties never a tenth."""
MOST_LOST_OF_ONE = 0.30
"""The same for each of the lists inside one file: 70 military end users in 26,000 entries."""
FEW = 10
"""Below so many a share says nothing."""
MOST_SKIPPED = 0.005
"""Largest share of entries without a name; more means that the format has changed."""
DAYS_AHEAD = 2
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of it. `fresh`: another version is in force now; `before` the one until now."""

    release: Release
    before: Release | None
    fresh: bool


@dataclass(slots=True)
class _Seen:
    """How far it came: the version, once it was read."""

    data: ListData | None = None


class Intake:
    """Brings lists into a library. `accept_entries`: the operator looked at a shrunken list and
    names how many entries the new version has; with that very number it passes."""

    def __init__(self, library: Library, *, accept_entries: int | None = None) -> None:
        self._library = library
        self._accepted = accept_entries

    def update(
        self,
        name: str,
        *,
        now: int,
        session: requests.Session,
        environ: Mapping[str, str] = os.environ,
    ) -> Taken:
        """Fetch the list if it changed. Raises Unavailable, Malformed, Conflict; writes it down."""
        plugin = source(name)
        urls = {part.file: url_of(name, part, environ) for part in plugin.parts}
        if missing := [file for file, url in urls.items() if not url]:
            raise Misconfigured(
                (f"list {name!r}: the address of {missing[0]} is not known; set {url_key(name)}",)
            )
        known = {file: url for file, url in urls.items() if url}
        with (
            self._noting(name, now) as seen,
            tempfile.TemporaryDirectory(prefix="kycgate-") as folder,
        ):
            answers = self._library.history(name).answers or {}
            fetched = _fetch_all(session, plugin, known, Path(folder), answers)
            if fetched is None:
                self._library.confirm(name, now)
                last = self._library.history(name).releases[-1]
                return Taken(last, last, fresh=False)
            files = {file: each.path for file, each in fetched.items()}
            changed = [each.modified_at for each in fetched.values() if each.modified_at]
            reading = _read(plugin, files, at=now)
            as_of = reading.as_of or max(changed, default=now)
            seen.data = list_data(name, reading.entries, as_of=as_of, source=plugin.name)
            release = release_of(
                seen.data,
                at=now,
                via="update",
                skipped=len(reading.skipped),
                sha256={file: each.sha256 for file, each in fetched.items()},
                confirmed=(now,),
            )
            answers = {file: each.answer for file, each in fetched.items() if each.answer}
            return self._take(release, seen.data, answers, now)

    def take_file(self, name: str, path: Path, *, now: int, as_of: int | None) -> Taken:
        """Read a list from a file, or from the folder its files are in.

        `as_of` is needed where the file does not say its date; where it does, the older one
        counts. Raises Malformed, TooLarge, Conflict, Unavailable, and writes it down.
        """
        plugin = source(name)
        with self._noting(name, now) as seen:
            files = _find(plugin, path)
            reading = _read(plugin, files, at=now if as_of is None else as_of)
            dates = [each for each in (as_of, reading.as_of) if each is not None]
            if not dates:
                raise Malformed(
                    "does not say its own date", field=path.name, remedy="give --as-of YYYY-MM-DD"
                )
            seen.data = list_data(name, reading.entries, as_of=min(dates), source=plugin.name)
            release = release_of(
                seen.data,
                at=now,
                via="import",
                skipped=len(reading.skipped),
                sha256={file: _sha256(each) for file, each in files.items()},
            )
            return self._take(release, seen.data, {}, now)

    def _take(
        self,
        release: Release,
        data: ListData,
        answers: Mapping[str, Mapping[str, str]],
        now: int,
    ) -> Taken:
        history = self._library.history(release.list)
        before = history.releases[-1] if history.releases else None
        _check_sound(release, now)
        if before and before.version != release.version:
            _check_newer(release, before)
            if release.entries != self._accepted:
                _check_loss(release, before)
        fresh = self._library.keep(release, data, answers)
        return Taken(self._library.history(release.list).releases[-1], before, fresh)

    @contextmanager
    def _noting(self, name: str, now: int) -> Iterator[_Seen]:
        """Write down what goes wrong, beside the version that stays in force."""
        seen = _Seen()
        try:
            yield seen
        except KycgateError as error:
            releases = self._library.history(name).releases
            kept = releases[-1].entries if releases else 0
            found = len(seen.data.entries) if seen.data else None
            place = f"{error.field}: " if isinstance(error, Malformed) else ""
            self._library.fail(name, Failure(now, place + error.message, kept, found))
            raise


def _fetch_all(
    session: requests.Session,
    plugin: ListSource,
    urls: Mapping[str, str],
    folder: Path,
    answers: Mapping[str, Mapping[str, str]],
) -> dict[str, Fetched] | None:
    """Every part, or None when none has changed. Parts are never mixed from two days."""
    found = {
        file: fetch(session, url, folder / file, limit=plugin.max_bytes, seen=answers.get(file))
        for file, url in urls.items()
    }
    if not any(found.values()):
        return None
    for file, url in urls.items():
        found[file] = found[file] or fetch(session, url, folder / file, limit=plugin.max_bytes)
    return {file: each for file, each in found.items() if each}


def _find(plugin: ListSource, path: Path) -> dict[str, Path]:
    """The files of a list: the one given, or by name in a folder, in either case of letters."""
    if len(plugin.parts) == 1 and not path.is_dir():
        return {plugin.parts[0].file: _checked(plugin, path)}
    folder = path if path.is_dir() else path.parent
    try:
        there = {each.name.lower(): each for each in folder.iterdir()}
    except OSError as e:
        raise Malformed(f"can't be opened ({e.strerror})", field=str(path)) from e
    missing = [part.file for part in plugin.parts if part.file not in there]
    if missing:
        raise Malformed(
            f"lacks {', '.join(missing)}", field=str(folder), remedy="put its files in one folder"
        )
    return {part.file: _checked(plugin, there[part.file]) for part in plugin.parts}


def _checked(plugin: ListSource, path: Path) -> Path:
    try:
        size = path.stat().st_size
    except OSError as e:
        raise Malformed(f"can't be opened ({e.strerror})", field=str(path)) from e
    if size > plugin.max_bytes:
        raise TooLarge(f"{size} bytes of at most {plugin.max_bytes}", field=str(path))
    return path


def _read(plugin: ListSource, files: Mapping[str, Path], *, at: int) -> Reading:
    reading = Reading(at)
    plugin.read(files, reading)
    return reading


def _check_sound(release: Release, now: int) -> None:
    """Raises Malformed for a version that can't be right whatever was before it."""
    if not release.entries:
        raise Malformed("holds no entry: nobody could be found in it", field=release.list)
    if release.skipped > max(3, MOST_SKIPPED * release.entries):
        raise Malformed(
            f"{release.skipped} of {release.entries + release.skipped} entries have no name",
            field=release.list,
        )
    if release.as_of > now + DAYS_AHEAD * _DAY:
        raise Malformed(f"is dated in the future ({_date(release.as_of)})", field=release.list)


def _check_newer(release: Release, before: Release) -> None:
    if release.as_of < before.as_of:
        raise Conflict(
            f"{release.list}: this version is of {_date(release.as_of)}, older than the one in "
            f"force of {_date(before.as_of)}, which stays"
        )


def _check_loss(release: Release, before: Release) -> None:
    """Raises Conflict naming every count that fell by more than it may."""
    lost = [*_losses(release, before), *_losses_of_lists(release, before)]
    if lost:
        raise Conflict(
            f"{release.list}: {'; '.join(lost)}. The version of {_date(before.as_of)} stays in "
            f"force; if the publisher did take them off: --accept-entries {release.entries}"
        )


def _losses(release: Release, before: Release) -> Iterator[str]:
    for what, share in MOST_LOST.items():
        if what == "entries":
            # A list of wallets alone is held to the share of wallets.
            had, has = sum(before.counts.values()), sum(release.counts.values())
        else:
            had, has = getattr(before, what), getattr(release, what)
        if had >= FEW and has < (1 - share) * had:
            yield f"{has} {what} where {had} are in force"


def _losses_of_lists(release: Release, before: Release) -> Iterator[str]:
    for name, had in before.counts.items():
        has = release.counts.get(name, 0)
        if had >= FEW and has < (1 - MOST_LOST_OF_ONE) * had and len(before.counts) > 1:
            yield f"{has} entries of {name} where {had} are in force"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _date(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")
