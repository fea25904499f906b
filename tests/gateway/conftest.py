"""A fresh marketplace for each test."""

from __future__ import annotations

import pytest

from tests.gateway.world import World


@pytest.fixture
def world() -> World:
    return World()
