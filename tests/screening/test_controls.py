"""Which GPU a text names, which class it has, and which group a country belongs to."""

from __future__ import annotations

import csv
import re
import tomllib
from dataclasses import replace
from datetime import date
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.core.policy import Eccn
from kycgate.errors import Malformed, Misconfigured
from kycgate.screening.controls import (
    UNRECOGNISED,
    CountryTable,
    GpuRow,
    GpuTable,
    load_countries,
    load_gpus,
)
from kycgate.screening.controls.thresholds import load_thresholds, midnight

GPUS = load_gpus()
COUNTRIES = load_countries()
A, B, NONE, UNKNOWN = Eccn.A, Eccn.B, Eccn.NONE, Eccn.UNKNOWN


@pytest.mark.parametrize("row", GPUS.rows, ids=lambda row: row.gpu.model)
def test_each_product_is_recognised_by_its_own_name(row: GpuRow) -> None:
    name = row.gpu.model or ""
    for text in (name, f"{row.vendor} {name}", name.upper(), name.replace(" ", "-")):
        assert GPUS.classify(text) == row.gpu, text


@pytest.mark.parametrize("row", GPUS.rows, ids=lambda row: row.gpu.model)
def test_each_class_follows_from_the_figures(row: GpuRow) -> None:
    gpu = row.gpu
    if gpu.tpp is None:
        assert gpu.eccn is UNKNOWN
        return
    density = gpu.performance_density
    datacenter = row.datacenter != "N"
    assert gpu.eccn is _threshold(gpu.tpp, density, datacenter=datacenter)
    assert gpu.confidence in ("high", "medium", "low")


def _threshold(tpp: int, density: float | None, *, datacenter: bool) -> Eccn:
    """3A090.a and .b with Note 2, as of the eCFR of 2026-07-23."""
    if not datacenter and tpp < 4800:
        return NONE
    if tpp >= 4800 or (density is not None and tpp >= 1600 and density >= 5.92):
        return A
    if density is None:
        return NONE
    in_b = (tpp >= 2400 and 1.6 <= density < 5.92) or (tpp >= 1600 and 3.2 <= density < 5.92)
    return B if in_b else NONE


@pytest.mark.parametrize(
    "text, model, eccn",
    [
        ("H100 PCIe", "H100 PCIe", A),
        ("NVIDIA H100 80GB HBM3", "H100 SXM5", A),
        ("H100_80GB", "H100 SXM5", A),
        ("h10080gbhbm3", "H100 SXM5", A),
        ("8xH100", "H100 SXM5", A),
        ("8 x H100 SXM5", "H100 SXM5", A),
        ("h100x8", "H100 SXM5", A),
        ("H100-SXM5-80GB NVLink", "H100 SXM5", A),
        ("NVIDIA H100 NVL 94GB", "H100 NVL", A),
        ("nvidia_h100_pcie_80gb", "H100 PCIe", A),
        ("HGX H200", "H200 SXM", A),
        ("H200-NVL-141GB", "H200 NVL", A),
        ("GH200 480GB", "GH200", A),
        ("A100-SXM4-40GB", "A100", A),
        ("a10080gb", "A100", A),
        ("NVIDIA A800 80GB PCIe", "A800", A),
        (
            "rtxpro6000blackwellmaxqworkstationedition",
            "RTX PRO 6000 Blackwell Workstation/Max-Q",
            A,
        ),
        ("rtxpro6000blackwellserveredition", "RTX PRO 6000 Blackwell Server Edition", A),
        ("NVIDIA RTX PRO 6000 Blackwell", "RTX PRO 6000 Blackwell Workstation/Max-Q", A),
        ("RTX 4090", "RTX 4090", A),
        ("geforce-rtx4090", "RTX 4090", A),
        ("RTX 4090 24GB", "RTX 4090", A),
        ("4090", "RTX 4090", A),
        ("GeForce RTX 4090 D", "RTX 4090 D", NONE),
        ("rtx4090d", "RTX 4090 D", NONE),
        ("RTX 5090", "RTX 5090", A),
        ("RTX5090D", "RTX 5090 D", NONE),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada", A),
        ("rtx6000ada", "RTX 6000 Ada", A),
        ("NVIDIA RTX A6000", "RTX A6000", NONE),
        ("A6000 48GB", "RTX A6000", NONE),
        ("L40S-48GB", "L40S", A),
        ("l40 s", "L40S", A),
        ("NVIDIA L40", "L40", B),
        ("l424gb", "L4", A),
        ("A40 PCIe 48 GB", "A40", B),
        ("NVIDIA A10G", "A10", NONE),
        ("Tesla T4 16GB", "T4", NONE),
        ("Tesla V100-SXM2-16GB", "V100", NONE),
        ("GeForce RTX 3090", "RTX 3090", NONE),
        ("HGX B200", "B200", A),
        ("GB200 NVL72", "GB200", A),
        ("AMD Instinct MI300X OAM", "MI300X", A),
        ("mi250", "MI250", A),
        ("MI250X", "MI250X", A),
        ("MI210 64GB", "MI210", B),
        ("Radeon RX 7900 XTX", "RX 7900 XTX", NONE),
        ("gaudi2", "Gaudi 2", A),
        ("Intel HL-325L", "Gaudi 3", A),
        ("Ascend910B", "Ascend 910B", UNKNOWN),
        ("Huawei Ascend 910C", "Ascend 910C", UNKNOWN),
        ("NVIDIA H20 96GB HBM3", "H20 SXM", NONE),
        ("Ｈ１００", "H100 SXM5", A),
        ("NVIDIA® RTX™ A6000", "RTX A6000", NONE),
    ],
)
def test_free_text_is_recognised(text: str, model: str, eccn: Eccn) -> None:
    gpu = GPUS.classify(text)
    assert (gpu.model, gpu.eccn) == (model, eccn)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gpu",
        "GTX 1080",
        "A100X",
        "B200A",
        "H300",
        "H20e",
        "T4G",
        "V100S",
        "RTX 6000",
        "RTX 3090 Ti",
        "RTX 4080 SUPER",
        "RTX A6000 Ada",
        "A10 Hopper",
        "A16 laptop",
        "H20 3e",
        "T4 (in truth H300)",
        "T4 and H100",
        "T4, V100",
        "A30 / A40",
        "\u0422\u0034",
        "T4\u0301",
        "4090 and 4090 D",
        "x" * 201,
        "T4 " * 100,
    ],
)
def test_what_is_ambiguous_or_unheard_of_is_controlled(text: str) -> None:
    gpu = GPUS.classify(text)
    assert (gpu.eccn, gpu.controlled, gpu.model) == (UNKNOWN, True, None)
    assert gpu.note


def test_the_h20_is_controlled_by_letter_though_outside_the_thresholds() -> None:
    gpu = GPUS.classify("H20")
    assert (gpu.eccn, gpu.controlled) == (NONE, True)
    assert "letter" in gpu.note


@given(st.text(max_size=220))
def test_no_text_is_uncontrolled_by_accident(text: str) -> None:
    gpu = GPUS.classify(text)
    assert gpu.controlled or gpu.model in {row.gpu.model for row in GPUS.rows}


@given(
    st.sampled_from([row.gpu.model for row in GPUS.rows if not row.gpu.controlled]),
    st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=6, max_size=12),
)
def test_a_strange_word_beside_an_uncontrolled_gpu_makes_it_unknown(name: str, word: str) -> None:
    packing = {"nvidia", "geforce", "quadro", "radeon", "instinct", "huawei", "habana", "ascend"}
    packing |= {"nvlink", "workstation", "server", "edition", "generation", "graphics"}
    packing |= {"accelerator", "tensorcore"}
    if not any(each in word for each in packing):
        assert GPUS.classify(f"{name} {word}").controlled


def test_remembering_texts_is_bounded() -> None:
    table = GpuTable(GPUS.rows)
    for n in range(6_000):
        table.classify(f"T4 {n}")
    info = table._remembered.cache_info()
    assert info.currsize <= 4_096


def test_an_empty_gpu_table_is_refused() -> None:
    with pytest.raises(Misconfigured):
        GpuTable(())


def test_unrecognised_is_controlled() -> None:
    assert UNRECOGNISED.controlled


# -- countries --------------------------------------------------------------------------------


def _text(name: str) -> str:
    return files("kycgate.screening").joinpath("data", *name.split("/")).read_text("utf-8")


def _table(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(_text(name).splitlines()))


def test_every_country_of_the_groups_has_a_code_both_ways() -> None:
    rows = _table("country_groups.csv")
    assert len(rows) == 201
    for row in rows:
        assert COUNTRIES.alpha2(COUNTRIES.numeric(row["alpha2"])) == row["alpha2"]


def test_iso_3166_is_complete() -> None:
    labels = COUNTRIES.labels()
    assert len(labels) == len(set(labels.values())) == 250
    assert all(1 <= number <= 999 for number in labels)
    known = {"SG": 702, "CN": 156, "HK": 344, "MO": 446, "AE": 784, "US": 840, "AF": 4, "XK": 983}
    assert {code: COUNTRIES.numeric(code) for code in known} == known


def test_group_d5_is_as_of_july_2026() -> None:
    codes = {COUNTRIES.alpha2(n) for n in COUNTRIES.group("D:5")}
    expected = "AF BY MM CF CN CD CU ER HT IR IQ KP LB LY NI RU SO SS SD SY VE ZW HK"
    assert codes == set(expected.split())


def test_macau_is_not_in_d5_and_hong_kong_goes_with_china() -> None:
    macau, hong_kong, china = (COUNTRIES.numeric(code) for code in ("MO", "HK", "CN"))
    assert not COUNTRIES.member(macau, "D:5")
    for group in COUNTRIES.groups:
        assert COUNTRIES.member(hong_kong, group) == COUNTRIES.member(china, group)


def test_the_destinations_of_3a090b_follow_its_wording() -> None:
    by_words = COUNTRIES.group("D:1") | COUNTRIES.group("D:4") | COUNTRIES.group("D:5")
    by_words -= COUNTRIES.group("A:5") | COUNTRIES.group("A:6")
    assert COUNTRIES.group("3A090.b") == by_words | {COUNTRIES.numeric("AE")}
    assert not COUNTRIES.member(COUNTRIES.numeric("AE"), "D:4")


def test_embargo_groups() -> None:
    assert {COUNTRIES.alpha2(n) for n in COUNTRIES.group("E:1")} == {"IR", "KP", "SY"}
    assert {COUNTRIES.alpha2(n) for n in COUNTRIES.group("E:2")} == {"CU"}


@pytest.mark.parametrize("code", ["", "sg", "SGP", "XX", "ZZ", "UK", "702"])
def test_what_is_no_code_is_malformed(code: str) -> None:
    with pytest.raises(Malformed):
        COUNTRIES.numeric(code)


@pytest.mark.parametrize("number", [0, -1, 1, 999, 65_535])
def test_the_unknown_country_has_no_code_and_no_group(number: int) -> None:
    with pytest.raises(Malformed):
        COUNTRIES.alpha2(number)
    assert not any(COUNTRIES.member(number, group) for group in COUNTRIES.groups)


def test_a_group_nobody_knows_is_malformed_and_not_empty() -> None:
    with pytest.raises(Malformed):
        COUNTRIES.group("D:6")
    with pytest.raises(Malformed):
        COUNTRIES.member(702, "d:5")


def test_a_group_of_a_country_without_code_is_damage() -> None:
    with pytest.raises(KeyError):
        CountryTable({"SG": 702}, {"D:5": ["CN"]})


# -- the table against the words of the law -----------------------------------------------------


def test_stated_classes_disagree_with_the_figures_nowhere() -> None:
    assert GPUS.disagreements(load_thresholds()) == ()
    wrong = replace(GPUS.rows[0], gpu=replace(GPUS.rows[0].gpu, eccn=B, controlled=True))
    (found,) = GpuTable([wrong]).disagreements(load_thresholds())
    assert found == "V100: stated 3A090.b, by its figures none"


@given(st.integers(0, 60_000), st.floats(0, 40), st.booleans())
def test_the_thresholds_of_the_file_are_those_of_the_entry(
    tpp: int, density: float, datacenter: bool
) -> None:
    computed = load_thresholds().eccn(tpp, density, datacenter=datacenter)
    assert computed is _threshold(tpp, density, datacenter=datacenter)


def test_every_limit_stands_in_the_official_words() -> None:
    document = tomllib.loads(_text("rules/thresholds.toml"))
    for each in document["class"]:
        for limit, words in zip(each["limits"], each["text"], strict=True):
            numbers = {float(number) for number in re.findall(r"\d+(?:\.\d+)?", words)}
            assert set(limit.values()) == numbers
    assert (
        str(document["not_for_datacenters"]["tpp_below"]) in document["not_for_datacenters"]["text"]
    )


@pytest.mark.parametrize(
    "tpp, density, eccn",
    [
        (4800, 0.1, A),
        (4799, 5.92, A),
        (1600, 5.92, A),
        (1599, 5.92, NONE),
        (4799, 5.91, B),
        (2400, 1.6, B),
        (2400, 1.59, NONE),
        (2399, 1.6, NONE),
        (1600, 3.2, B),
        (1600, 3.19, NONE),
        (4800, None, A),
        (4799, None, UNKNOWN),
        (1599, None, NONE),
        (None, 9.0, UNKNOWN),
    ],
)
def test_a_class_begins_exactly_at_its_limit(
    tpp: int | None, density: float | None, eccn: Eccn
) -> None:
    assert load_thresholds().eccn(tpp, density, datacenter=True) is eccn


@pytest.mark.parametrize("row", GPUS.rows, ids=lambda row: row.gpu.model)
def test_derived_figures_follow_from_those_of_the_datasheet(row: GpuRow) -> None:
    if row.dense_tops is None:
        assert row.gpu.tpp is None
        return
    assert row.bit_length is not None
    assert row.gpu.tpp is not None
    assert abs(row.gpu.tpp - row.dense_tops * row.bit_length) <= 1
    if row.die_area_mm2 is not None:
        assert row.gpu.performance_density is not None
        assert abs(row.gpu.performance_density - row.gpu.tpp / row.die_area_mm2) <= 0.01


@pytest.mark.parametrize("row", GPUS.rows, ids=lambda row: row.gpu.model)
def test_each_doubtful_row_says_so_in_its_note(row: GpuRow) -> None:
    assert bool(row.doubts) == (row.gpu.confidence != "high" or "borderline" in row.gpu.note)
    assert all(doubt in row.gpu.note for doubt in row.doubts)


def test_borderline_rows_are_those_a_small_change_would_reclass() -> None:
    near = {row.gpu.model for row in GPUS.rows if "2 %" in " ".join(row.doubts)}
    assert near == {"A10", "H20 SXM", "L20", "RTX 4090 D", "RTX 5090 D"}


def test_the_h20_was_free_before_its_letter() -> None:
    letter = midnight(date(2025, 4, 9))
    assert GPUS.classify_at("H20", letter).controlled
    before = GPUS.classify_at("H20", letter - 1)
    assert (before.eccn, before.controlled) == (NONE, False)
    assert "2025-04-09" in before.note


def test_before_the_thresholds_every_class_is_unknown() -> None:
    starts = load_thresholds().starts
    assert GPUS.classify_at("T4", starts) == GPUS.classify("T4")
    before = GPUS.classify_at("T4", starts - 1)
    assert (before.eccn, before.controlled) == (UNKNOWN, True)
    assert "2023-11-17" in before.note


SPELLINGS = {
    "H100 SXM5": "NVIDIA H100 80GB HBM3|H100_80GB|h10080gbhbm3|NVIDIA-H100-80GB-HBM3|H100_SXM"
    "|nvidia-h100-mega-80gb|8x NVIDIA H100 80GB HBM3|HGX H100 8-GPU",
    "H100 PCIe": "H100 PCIE|H100 80G PCIe|NVIDIA H100 PCIe",
    "H100 NVL": "H100_NVL|NVIDIA H100 NVL",
    "H200 SXM": "H200_141GB|NVIDIA H200|nvidia-h200-141gb",
    "H200 NVL": "NVIDIA H200 NVL|1x NVIDIA H200 NVL",
    "GH200": "GH200_96GB|GH200 SXM|GH200_480GB",
    "B200": "NVIDIA B200|B200_180GB|NVIDIA DGX B200",
    "B300": "NVIDIA B300 SXM6 AC|B300_262GB",
    "A100": "NVIDIA A100 80GB PCIe|NVIDIA A100-SXM4-80GB|A100_40GB|A100_SXM4|a10080gbpcie"
    "|NVIDIA-A100-SXM4-40GB-MIG-1g.5gb|4x NVIDIA A100-SXM4-80GB",
    "RTX 4090": "NVIDIA GeForce RTX 4090|RTX4090_24GB|RTX_4090|1x NVIDIA GeForce RTX 4090",
    "RTX 4090 D": "RTX 4090D|NVIDIA GeForce RTX 4090 D",
    "RTX 5090": "RTX5090_32GB|2x NVIDIA GeForce RTX 5090",
    "RTX 3090": "RTX3090_24GB|6x NVIDIA GeForce RTX 3090",
    "RTX 6000 Ada": "RTX6000Ada_48GB|RTX 6000Ada|NVIDIA RTX 6000 Ada Generation",
    "RTX A6000": "A6000_48GB|RTX_A6000|10x NVIDIA RTX A6000",
    "L40S": "L40S_48GB|NVIDIA L40S|1x NVIDIA L40S",
    "L40": "L40_48GB|NVIDIA L40",
    "L4": "L4_24GB|nvidia-l4",
    "T4": "T4_16GB|Tesla_T4|nvidia-tesla-t4|1x Tesla T4",
    "V100": "Tesla V100-FHHL-16GB|Tesla V100-SXM2-32GB|v100sxm232gb",
    "MI300X": "AMD Instinct MI300X OAM|InstinctMI300X|MI300X_192GB",
    "RTX PRO 6000 Blackwell Server Edition": "rtxpro6000blackwellserveredition|RTX PRO 6000 S"
    "|1x NVIDIA RTX PRO 6000 Blackwell Server Edition",
    "RTX PRO 6000 Blackwell Workstation/Max-Q": "rtxpro6000blackwellmaxqworkstationedition"
    "|RTX PRO 6000 WS|RTX_PRO_6000B_96GB|RTX_PRO_6000B_WK_96GB"
    "|NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition",
}


@pytest.mark.parametrize(
    "text, model",
    [(text, model) for model, texts in SPELLINGS.items() for text in texts.split("|")],
)
def test_marketplaces_spell_it_so(text: str, model: str) -> None:
    assert GPUS.classify(text).model == model
