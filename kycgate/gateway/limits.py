"""How much one account and one address may ask of the gate, at once and over time.

Decides nothing about renting. Bounded in memory, whoever asks: a flood of new addresses makes old
silent ones forgotten, which are full again anyway. Ending a deployment has buckets of its own, so
that nothing else a renter or a neighbour does can keep anybody from stopping to pay.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

from kycgate.errors import Busy

KEYS = 20_000
"""Accounts or addresses remembered at once, per kind of bucket."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_s` requests a second on average, `burst` at once."""

    per_s: float
    burst: int


_NO_RATE = Rate(1e9, 10**9)


@dataclass(frozen=True, slots=True)
class Rates:
    """The bounds of one gate."""

    address: Rate = Rate(100, 400)
    """Everything from one address (IPv6: from one /64)."""
    account: Rate = Rate(50, 200)
    unproven: Rate = Rate(5, 40)
    """Failed proofs from one address. Beyond it, only callers already known are looked at."""
    stops: Rate = Rate(20, 200)
    """Ends and halts of deployments, per account, and per address."""


class Bucket:
    """What one key has left."""

    __slots__ = ("_at", "_burst", "_left", "_monotonic", "_per_s")

    def __init__(self, rate: Rate, monotonic: Callable[[], float]) -> None:
        self._per_s = rate.per_s
        self._burst = self._left = float(rate.burst)
        self._monotonic = monotonic
        self._at = monotonic()

    def wait_s(self) -> int:
        """0 if there is one left; else whole seconds until there is."""
        left = self._refill()
        return 0 if left >= 1 else max(1, ceil((1 - left) / self._per_s))

    def take(self) -> bool:
        """Takes one if there is one. What races for the last one may get it twice."""
        left = self._refill()
        if left < 1:
            return False
        self._left = left - 1
        return True

    def _refill(self) -> float:
        now = self._monotonic()
        if now > self._at:
            left = self._left + (now - self._at) * self._per_s
            self._left = left if left < self._burst else self._burst
            self._at = now
        return self._left


class Buckets:
    """A bucket per key; the longest silent is forgotten when there are too many."""

    def __init__(self, rate: Rate, monotonic: Callable[[], float], *, keys: int = KEYS) -> None:
        self._rate = rate
        self._monotonic = monotonic
        self._most = keys
        self._held: OrderedDict[str, Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, key: str) -> Bucket:
        with self._lock:
            bucket = self._held.get(key)
            if bucket is None:
                bucket = self._held[key] = Bucket(self._rate, self._monotonic)
                if len(self._held) > self._most:
                    self._held.popitem(last=False)
            else:
                self._held.move_to_end(key)
            return bucket


class Turns:
    """Every bucket of one gate. Asked before signatures are checked and the store is asked."""

    def __init__(self, rates: Rates, monotonic: Callable[[], float]) -> None:
        self._addresses = Buckets(rates.address, monotonic)
        self._accounts = Buckets(rates.account, monotonic)
        self._unproven = Buckets(rates.unproven, monotonic)
        self._stopping = Buckets(rates.stops, monotonic)
        self._front = Bucket(_NO_RATE, monotonic)
        self._stopped = Buckets(rates.stops, monotonic)

    def address(self, ip: str, *, stop: bool) -> Bucket:
        """What everything from this address is charged to; `stop`: the request ends something."""
        if _is_front(ip):
            return self._front
        return (self._stopping if stop else self._addresses).of(neighbourhood(ip))

    def unproven(self, ip: str) -> Bucket:
        """What failed proofs from this address are charged to."""
        if _is_front(ip):
            return self._front
        return self._unproven.of(neighbourhood(ip))

    def account(self, account: str, *, stop: bool) -> Bucket:
        return (self._stopped if stop else self._accounts).of(account)


def require(bucket: Bucket) -> None:
    """Raises Busy, saying when to come back, if there is nothing left in the bucket."""
    wait = bucket.wait_s()
    if wait:
        raise Busy("More requests than this gate takes from one caller.", retry_after_s=wait)


def charging(buckets: Sequence[Bucket]) -> Callable[[], bool]:
    """Takes one from each of these; false if one of them had none."""
    takes = tuple(bucket.take for bucket in buckets)

    def charge() -> bool:
        had = True
        for take in takes:
            had = take() and had
        return had

    return charge


@lru_cache(maxsize=64)
def _is_front(ip: str) -> bool:
    """On this very machine nobody but a front connects; whom it speaks for is not known here
    unless it is named as one, and then this is not its address. No address at all is a scheduler's
    question: whom it asks for is charged as an account."""
    if not ip:
        return True
    try:
        return ipaddress.ip_address(ip).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=4096)
def neighbourhood(ip: str) -> str:
    """The address, or for IPv6 its /64: whoever has one of these addresses has them all."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))


class Counts:
    """How many are under way, per key. Belongs to one event loop."""

    def __init__(self, each: int, total: int) -> None:
        self._each = each
        self._total = total
        self._held: dict[str, int] = {}
        self.all = 0

    def enter(self, key: str) -> bool:
        """Whether there is room for one more; if so it must `leave`."""
        mine = self._held.get(key, 0)
        if mine >= self._each or self.all >= self._total:
            return False
        self._held[key] = mine + 1
        self.all += 1
        return True

    def leave(self, key: str) -> None:
        left = self._held[key] - 1
        self.all -= 1
        if left:
            self._held[key] = left
        else:
            del self._held[key]
