"""What `[limits]` says, in the words of the rooms that hold to it.

Decides nothing.
"""

from __future__ import annotations

from kycgate.config import Config
from kycgate.gateway.lanes import Lane, Lanes
from kycgate.gateway.limits import Rate, Rates
from kycgate.gateway.strict import Limits


def rates(config: Config) -> Rates:
    said = config.limits
    return Rates(
        address=Rate(said.address_per_second, said.address_burst),
        account=Rate(said.account_per_second, said.account_burst),
        unproven=Rate(said.unproven_per_second, said.unproven_burst),
        stops=Rate(said.stops_per_second, said.stops_burst),
    )


def lanes(config: Config) -> Lanes:
    said = config.limits
    return Lanes(
        usual=Lane(said.requests_per_account, said.requests),
        stop=Lane(said.requests_per_account, said.requests),
        long=Lane(said.streams_per_account, said.streams),
    )


def server_limits(config: Config) -> Limits:
    said = config.limits
    return Limits(
        header_seconds=said.header_seconds,
        body_seconds=said.body_seconds,
        body_bytes_per_second=said.body_bytes_per_second,
        write_seconds=said.write_seconds,
        connections=said.connections,
        connections_per_address=said.connections_per_address,
        fronts=(*Limits().fronts, *config.gate.forward_auth_peers),
    )
