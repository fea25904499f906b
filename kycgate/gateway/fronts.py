"""Where a request came from, when a front of the operator's own stands before the gate.

Believes nobody by default. A front writes the address it saw at the right end of `X-Forwarded-For`;
what stands left of the last front's word is the caller's own and counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from kycgate.errors import Code, Malformed

_Address = IPv4Address | IPv6Address
_FIELD = b"x-forwarded-for"
_HOPS_MOST = 32


@dataclass(frozen=True, slots=True)
class Fronts:
    """The addresses whose word on where a request came from is taken."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def caller(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The address of whoever stands before the last front; the peer's own without fronts.

        Raises Malformed when a front's word is missing or can't be read: a caller nobody can place
        must not pass for one nobody asked about.
        """
        if not self.networks or not self._is_front(_address(peer)):
            return peer
        said = [value for name, value in headers if name.lower() == _FIELD]
        return self._last_stranger(b",".join(said).decode("latin-1").split(","))

    def _last_stranger(self, hops: Sequence[str]) -> str:
        for hop in reversed(hops[-_HOPS_MOST:]):
            address = _address(hop.strip(" \t"))
            if address is None:
                raise _unclear("holds something else than an address where a front's word stands")
            if not self._is_front(address):
                return str(address)
        # Every hop is one of ours: the request began at a machine of the operator's.
        if len(hops) > _HOPS_MOST:
            raise _unclear(f"names more than {_HOPS_MOST} fronts")
        return str(_address(hops[0].strip(" \t")))

    def _is_front(self, address: _Address | None) -> bool:
        return address is not None and any(address in network for network in self.networks)


NOBODY = Fronts()


@lru_cache(maxsize=4096)
def _address(text: str) -> _Address | None:
    """An address, an IPv4 one inside IPv6 as itself; None for everything else, zones included."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return None if address.scope_id is not None else address.ipv4_mapped or address


def _unclear(what: str) -> Malformed:
    return Malformed(
        f"X-Forwarded-For {what}.",
        field="X-Forwarded-For",
        remedy="the front must set it to the address it saw",
        code=Code.AMBIGUOUS_REQUEST,
    )
