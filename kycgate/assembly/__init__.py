"""The only room that knows every other: a configuration in, a running product out.

Takes no decision. Clock, randomness and network enter the house here.
"""

from kycgate.assembly.product import Services, open_services
from kycgate.assembly.serving import (
    background,
    check_config,
    control_app,
    forward_auth_app,
    gateway_app,
    serve,
)
from kycgate.config import Config, load_config

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
