"""Deep JSON is refused before it is parsed: the interpreter's own bound may be out of order."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kycgate
from kycgate.core.wire import DEPTH_MOST, read_object, require_shallow
from kycgate.errors import Malformed


@pytest.mark.parametrize(
    "deep", [b"[" * 100_000, b'{"a":' * 100_000, b"[" + b"{}," * 99 + b"[" * 65]
)
def test_deep_json_is_refused(deep: bytes) -> None:
    with pytest.raises(Malformed, match="nested too deep"):
        require_shallow(deep, field="body")


def test_the_stated_depth_is_allowed_and_one_more_is_not() -> None:
    most = DEPTH_MOST
    require_shallow(b"[" * most + b"]" * most, field="body")
    with pytest.raises(Malformed):
        require_shallow(b"[" * (most + 1) + b"]" * (most + 1), field="body")


def test_brackets_in_strings_and_side_by_side_nest_nothing() -> None:
    text = json.dumps({"a": "[{" * 500, "b": '"[\\' * 500, "c": [{}] * 500})
    assert read_object(text.encode(), limit=100_000, field="body")["c"] == [{}] * 500


_JSON = st.recursive(
    st.none() | st.text('[]{}\\"ab') | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text('[{\\"a'), inner, max_size=4)
    ),
    max_leaves=80,
)


def depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value
    if not isinstance(inner, list) and not isinstance(value, dict):
        return 0
    return 1 + max((depth(each) for each in inner), default=0)


@given(_JSON, st.integers(0, 70))
def test_it_counts_as_the_parser_nests(value: object, wrapped: int) -> None:
    text = b"[" * wrapped + json.dumps(value).encode() + b"]" * wrapped
    if depth(value) + wrapped <= DEPTH_MOST:
        require_shallow(text, field="body")
    else:
        with pytest.raises(Malformed):
            require_shallow(text, field="body")


DOORS = """
import sys
sys.setrecursionlimit(1_000_000)
from kycgate.core.wire import read_object
from kycgate.errors import Malformed
from kycgate.gateway.adapters.base import decode_object
from kycgate.web.wire import _parse
deep = b'{"a":' * 200_000
for door in (lambda: read_object(deep, limit=10**7, field="x"), lambda: decode_object(deep),
             lambda: _parse(deep)):
    try:
        door()
    except Malformed as error:
        print(error.message)
"""


def test_no_door_crashes_where_a_library_has_raised_the_recursion_limit() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DOORS], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.count("nested too deep") == 3


OWN_WORDS = {
    "chain/abi.py": "compiled contracts, shipped",
    "cli/adapter.py": "counts depth; the other one is our own canonical form",
    "client/sessions.py": "our own file, mode 0600",
    "client/sidecar/relay.py": "a permit that was read before, in our own canonical form",
    "core/decision.py": "our own canonical form",
    "gateway/records.py": "our own canonical form, from the store",
    "issuer/casebook.py": "our own seal, authenticated",
    "issuer/rescreening.py": "our own setting, from the store",
    "issuer/vault.py": "our own seal, authenticated",
    "keys.py": "the operator's keystore, bounded",
    "screening/library.py": "our own files, checked by hash",
    "screening/ownership/streams.py": "measures depth as it reads",
    "screening/sources/shipped.py": "shipped with the package",
    "settlement/follower.py": "our own cursor, from the store",
    "store/tables/columns.py": "our own columns",
    "web/languages.py": "shipped with the package",
}


def test_every_reader_of_json_counts_its_depth_or_reads_our_own_words() -> None:
    package = Path(kycgate.__file__).parent
    parsing = re.compile(r"json\.loads\(|\.json\(\)|raw_decode\(|JSONDecoder\(")
    unguarded = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if "demo" not in path.parts
        and parsing.search(text := path.read_text())
        and "require_shallow(" not in text
    }
    assert unguarded <= OWN_WORDS.keys()
