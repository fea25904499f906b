"""The public names exist, load lazily, and the renter's part carries no server."""

from __future__ import annotations

import subprocess
import sys

import kycgate


def test_every_public_name_can_be_loaded() -> None:
    for name in kycgate.__all__:
        assert getattr(kycgate, name) is not None, name


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(kycgate, "no_such_name")


def test_importing_the_face_loads_no_framework() -> None:
    code = (
        "import sys, kycgate; kycgate.verify_attestation; "
        "print(sorted({'flask', 'sqlalchemy', 'aiohttp', 'requests'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
