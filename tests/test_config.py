"""Configuration: every problem is named with file, line and remedy, and nothing is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.config import load_config
from kycgate.errors import Misconfigured

SOUND = """\
[gate]
public_url = "http://127.0.0.1:8081"
gateway_url = "http://127.0.0.1:8080"

[marketplace]
upstream = "http://127.0.0.1:9000"

[keys]
issuer = "file:issuer.key"
permit = "file:permit.key"
log = "file:log.key"
vault = "file:vault.key"

[issuer]
chain_id = 31337
eas = "0x4200000000000000000000000000000000000021"
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "kycgate.toml"
    path.write_text(text)
    return path


def problems(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        load_config(write(tmp_path, text), environ=environ or {"PATH": ""})
    return [problem.replace(str(tmp_path), "") for problem in caught.value.problems]


def test_a_sound_file_is_read_with_its_defaults(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, SOUND), environ={"PATH": ""})
    assert config.gate.listen == ("127.0.0.1", 8080)
    assert config.settlement.mode == "none"
    assert config.screening.alarm_age_s == 24 * 3600
    assert config.store_url == f"sqlite:///{tmp_path}/kycgate.sqlite3"
    assert config.key(config.keys.issuer) == f"file:{tmp_path}/issuer.key"


def test_all_problems_are_reported_together_with_their_lines(tmp_path: Path) -> None:
    text = SOUND.replace('"http://127.0.0.1:8081"', '"not a url"').replace("31337", '"many"')
    found = problems(tmp_path, text + "\n[extra]\nx = 1\n")
    assert found[0].startswith("/kycgate.toml:18: extra: unknown section")
    assert any(p.startswith("/kycgate.toml:2: gate.public_url: needs an origin") for p in found)
    assert any(
        p.startswith("/kycgate.toml:15: issuer.chain_id: needs a whole number") for p in found
    )
    assert len(found) == 3


def test_an_unknown_setting_names_the_known_ones(tmp_path: Path) -> None:
    found = problems(tmp_path, SOUND.replace("[marketplace]", '[marketplace]\nupstrem = "x"'))
    assert "marketplace.upstrem: unknown setting; [marketplace] knows" in found[0]


def test_a_missing_setting_is_named(tmp_path: Path) -> None:
    assert (
        "keys.vault: is missing"
        in problems(tmp_path, SOUND.replace('vault = "file:vault.key"', ""))[0]
    )


def test_a_secret_in_the_file_is_refused(tmp_path: Path) -> None:
    found = problems(tmp_path, SOUND.replace("file:issuer.key", "0x" + "11" * 32))
    assert "secrets never stand in this file" in found[0]
    assert "11" * 32 not in found[0]


def test_one_key_for_two_uses_is_refused(tmp_path: Path) -> None:
    assert "one key, one use" in problems(tmp_path, SOUND.replace("permit.key", "issuer.key"))[0]


def test_escrow_mode_needs_its_addresses(tmp_path: Path) -> None:
    found = problems(tmp_path, SOUND + '\n[settlement]\nmode = "escrow"\n')
    assert len(found) == 5


def test_the_environment_wins_and_is_checked_too(tmp_path: Path) -> None:
    path = write(tmp_path, SOUND)
    config = load_config(path, environ={"KYCGATE_GATE_LISTEN": "0.0.0.0:9"})
    assert config.gate.listen == ("0.0.0.0", 9)
    assert "gate.listen" in problems(tmp_path, SOUND, {"KYCGATE_GATE_LISTEN": "nonsense"})[0]


@pytest.mark.parametrize(
    "content, said",
    [
        (b"\xff\xfe", "is not UTF-8"),
        (b"[gate", "is not TOML"),
        (b"gate = 3", "needs to be a section"),
    ],
)
def test_unreadable_files_are_explained(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "kycgate.toml"
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match=said):
        load_config(path)


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="can't be read"):
        load_config(tmp_path / "none.toml")


@given(st.binary(max_size=300))
def test_any_bytes_give_a_configuration_or_problems(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "kycgate.toml"
    path.write_bytes(data)
    with pytest.raises(Misconfigured):
        load_config(path, environ={"PATH": ""})


def with_front(*lines: str) -> str:
    return SOUND.replace("[marketplace]", "\n".join((*lines, "", "[marketplace]")), 1)


def test_a_front_that_asks_is_believed_from_loopback_only_unless_named(tmp_path: Path) -> None:
    config = load_config(
        write(tmp_path, with_front('forward_auth = "nginx"')), environ={"PATH": ""}
    )
    assert [str(each) for each in config.gate.forward_auth_peers] == ["127.0.0.0/8", "::1/128"]
    assert config.gate.forward_auth_routes == ("read", "stop")


def test_renting_routes_through_a_contract_without_a_body_are_refused(tmp_path: Path) -> None:
    for front in ("nginx", "caddy", "traefik", "envoy"):
        lines = (f'forward_auth = "{front}"', 'forward_auth_routes = ["read", "rent"]')
        (found,) = problems(tmp_path, with_front(*lines))
        assert "gate.forward_auth_routes" in found
        assert "gate.listen" in found


def test_a_front_everybody_could_be_is_refused(tmp_path: Path) -> None:
    for peer in ("0.0.0.0/0", "::/0", "nginx"):
        found = problems(tmp_path, with_front(f'forward_auth_peers = ["{peer}"]'))
        assert any("gate.forward_auth_peers" in each for each in found)


def test_a_front_may_ask_over_a_socket_in_the_file_system(tmp_path: Path) -> None:
    lines = ('forward_auth = "nginx"', 'forward_auth_listen = "unix:/run/kycgate/decisions.sock"')
    config = load_config(write(tmp_path, with_front(*lines)), environ={"PATH": ""})
    assert config.gate.forward_auth_listen == Path("/run/kycgate/decisions.sock")


@pytest.mark.parametrize("where", ["unix:", "unix:decisions.sock", "unix:/" + "x" * 100])
def test_a_socket_without_a_usable_path_is_refused(tmp_path: Path, where: str) -> None:
    (found,) = problems(tmp_path, with_front(f'forward_auth_listen = "{where}"'))
    assert "gate.forward_auth_listen" in found
    assert 'needs "unix:" and an absolute path of at most 100 bytes' in found


# -- schedulers ------------------------------------------------------------------------------------

ONE, OTHER = "a" * 64, "b" * 64


def with_hooks(*lines: str) -> str:
    return SOUND + "\n".join(("", "[hooks]", *lines, ""))


def test_without_a_scheduler_named_nobody_is_heard(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, SOUND), environ={"PATH": ""})
    assert (config.hooks.dstack, config.hooks.skypilot) == ((), ())


def test_schedulers_are_told_apart_by_name_and_secret(tmp_path: Path) -> None:
    path = write(tmp_path, with_hooks(f'dstack = ["main:{ONE}"]', f'skypilot = ["sky:{OTHER}"]'))
    config = load_config(path, environ={"PATH": ""})
    assert config.hooks.dstack == (("main", ONE),)
    same_name = with_hooks(f'dstack = ["main:{ONE}"]', f'skypilot = ["main:{OTHER}"]')
    (found,) = problems(tmp_path, same_name)
    assert "names a scheduler twice" in found
    same_secret = with_hooks(f'dstack = ["main:{ONE}", "other:{ONE}"]')
    (found,) = problems(tmp_path, same_secret)
    assert "one secret" in found


@pytest.mark.parametrize("entry", ["main", "main:secret", f"Main:{ONE}", f"a_b:{ONE}", f":{ONE}"])
def test_a_schedulers_secret_never_stands_in_the_file(tmp_path: Path, entry: str) -> None:
    (found,) = problems(tmp_path, with_hooks(f'dstack = ["{entry}"]'))
    assert "hooks.dstack" in found
    assert "kycgate keys hook" in found


def test_a_scheduler_everybody_could_be_is_refused(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, with_hooks('peers = ["0.0.0.0/0"]'))
    assert "hooks.peers" in found


def test_a_dstack_server_is_told_to_stop_with_a_key_from_elsewhere(tmp_path: Path) -> None:
    told = 'stop = ["main https://dstack.test:3000 file:keys/dstack"]'
    path = write(tmp_path, with_hooks(f'dstack = ["main:{ONE}"]', told))
    config = load_config(path, environ={"PATH": ""})
    assert config.hooks.stop == (("main", "https://dstack.test:3000", "file:keys/dstack"),)


@pytest.mark.parametrize(
    ("stop", "problem"),
    [
        ('["other https://dstack.test file:k"]', "no server in hooks.dstack"),
        ('["sky https://dstack.test file:k"]', "no server in hooks.dstack"),
        ('["main https://a.test file:k", "main https://b.test file:k"]', "twice"),
        ('["main https://dstack.test"]', "NAME ORIGIN KEY"),
        ('["main https://dstack.test admin-token"]', "secrets never stand in this file"),
        ('["main dstack.test file:k"]', "needs an origin"),
    ],
)
def test_whom_to_tell_to_stop_is_said_wholly(tmp_path: Path, stop: str, problem: str) -> None:
    lines = (f'dstack = ["main:{ONE}"]', f'skypilot = ["sky:{OTHER}"]', f"stop = {stop}")
    (found,) = problems(tmp_path, with_hooks(*lines))
    assert "hooks.stop" in found
    assert problem in found


def test_two_doors_at_one_address_are_refused(tmp_path: Path) -> None:
    lines = ('listen = "127.0.0.1:8080"', f'dstack = ["main:{ONE}"]')
    (found,) = problems(tmp_path, with_hooks(*lines))
    assert "hooks.listen" in found
    assert "gate.listen" in found


# -- screening -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gate", "screening", "folder"),
    [
        ("", "", "kycgate-lists"),
        ('database = "sqlite:///data/gate.sqlite3"', "", "data/kycgate-lists"),
        ('database = "postgresql://h/d"', "", "kycgate-lists"),
        ("", 'lists_dir = "lists"', "lists"),
    ],
)
def test_the_lists_stand_beside_the_database_unless_said_otherwise(
    tmp_path: Path, gate: str, screening: str, folder: str
) -> None:
    text = SOUND.replace("[gate]", f"[gate]\n{gate}") + f"\n[screening]\n{screening}\n"
    config = load_config(write(tmp_path, text), environ={"PATH": ""})
    assert config.lists_dir == tmp_path / folder


def test_yente_needs_its_address(tmp_path: Path) -> None:
    found = problems(tmp_path, SOUND + '\n[screening]\nbackend = "yente"\n')
    assert found == ['/kycgate.toml:18: screening.yente_url: is needed when backend = "yente"']


def test_nobody_is_asked_for_a_second_opinion_unless_a_node_is_named(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, SOUND), environ={"PATH": ""})
    assert config.screening.oracle_rpc == ()
    assert config.screening.oracle.hex() == "40c57923924b5c5c5455c48d93317139addac8fb"


# -- further chains --------------------------------------------------------------------------------

ESCROW = f"""
[settlement]
mode = "escrow"
rpc = ["http://127.0.0.1:1"]
chain_id = 31337
escrow = "0x{"11" * 20}"
revoker = "0x{"22" * 20}"
token = "0x{"33" * 20}"
provider = "0x{"44" * 20}"
"""


def chain(number: int) -> str:
    return f"""
[[chain]]
id = {number}
rpc = ["http://127.0.0.1:2"]
eas = "0x4200000000000000000000000000000000000021"
revoker = "0x{"55" * 20}"
revoker_key = "file:revoker.key"
"""


def test_further_chains_are_read_in_their_order(tmp_path: Path) -> None:
    path = write(tmp_path, SOUND + ESCROW + chain(10) + chain(8453))
    config = load_config(path, environ={"PATH": ""})
    assert [each.id for each in config.chains] == [10, 8453]
    assert config.chains[0].rpc == ("http://127.0.0.1:2",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ESCROW + chain(10) + chain(10), "names a chain twice"),
        (ESCROW + chain(31337), "or the settlement's own"),
        (chain(10), 'needs [settlement] mode = "escrow"'),
        (ESCROW + chain(10).replace("[[chain]]", "[chain]"), "needs double brackets"),
        (ESCROW + chain(10).replace("revoker_key", "revoker_kee"), "chain.revoker_kee: unknown"),
        (ESCROW + chain(10).replace("id = 10", ""), "chain.id: is missing"),
    ],
)
def test_a_wrong_further_chain_is_named(tmp_path: Path, text: str, said: str) -> None:
    assert any(said in each for each in problems(tmp_path, SOUND + text))
