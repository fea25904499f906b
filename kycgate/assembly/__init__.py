"""The only room that knows every other: a configuration in, a running product out.

Hands on the public names of its files; takes no decision.
"""

from kycgate.assembly.product import (
    Config,
    Services,
    background,
    check_config,
    control_app,
    forward_auth_app,
    gateway_app,
    load_config,
    open_services,
    serve,
)

__all__ = [
    "Config",
    "Services",
    "background",
    "check_config",
    "control_app",
    "forward_auth_app",
    "gateway_app",
    "load_config",
    "open_services",
    "serve",
]
