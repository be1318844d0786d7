from __future__ import annotations

import math

import pytest

from components.messages.formatting import (
    clock,
    duration,
    figure,
    in_bytes,
    in_mebibytes,
    in_sentence,
    in_units,
    on_axis,
    on_terminal,
    printable,
    rounded_count,
    share,
    three_digits,
    times,
)

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (None, "fraction", "–"),
        (0, "fraction", "0.000"),
        (1e-12, "fraction", "0.000"),
        (-0.5, "fraction", "-0.500"),
        (83.04, "large", "83.0"),
        (999.94, "large", "999.9"),
        (999.96, "large", "1,000"),
        (999_999.5, "large", "1,000,000"),
        (-5_000, "large", "-5,000"),
        (9_999_999.4, "large", "9,999,999"),
        (9_999_999.6, "large", "1.0e+07"),
        (870_307_230_737_713.4, "large", "8.7e+14"),
        (105_302.0, "count", "105,302"),
        (0, "count", "0"),
        (33.5379, "units", "33.54"),
        (0.7123, ".1%", "71.2%"),
        *((value, form, text) for form in ("fraction", "large", "count", "units", ".1%")
          for value, text in ((NAN, "nan"), (INF, "inf"), (-INF, "-inf"))),
    ],
)  # fmt: skip
def test_a_metric_in_the_report(value: float | None, form: str, text: str) -> None:
    assert figure(value, form) == text


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (None, "large", "-"),
        (1_250.04, "large", "1250.0"),
        (999_999.96, "large", "1000000.0"),
        (870_307_230_737_713.4, "large", "8.7e+14"),
        (NAN, "large", "nan"),
        (0.5523, "fraction", "0.552"),
        (1_250.4, "units", "1,250"),
    ],
)
def test_a_metric_on_the_terminal_can_be_copied(value: float | None, form: str, text: str) -> None:
    assert on_terminal(value, form) == text


def test_a_metric_on_an_axis_and_in_a_sentence() -> None:
    assert [on_axis(v, "large") for v in (0, 83.04, 12_345, INF)] == ["0", "83.04", "1.234e+04", "inf"]
    assert on_axis(0.5, "fraction") == "0.500"
    assert [in_sentence(v) for v in (0, 1e-12, -83.04, 999_999.5)] == ["0", "1e-12", "-83.04", "1e+06"]
    assert {in_sentence(v) for v in (None, NAN, INF, -INF)} == {"not a finite number"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (33.5379, "33.54"),
        (134.04, "134.0"),
        (0.0125, "0.01250"),
        (999.96, "1,000"),
        (1_234_567.8, "1,234,568"),
        (1.2345e21, "1.234e+21"),
        (0, "0.000"),
        (1e-12, "1.000e-12"),
        (999_999.5, "1,000,000"),
        (-33.5379, "-33.54"),
        (-1_234.5, "-1,234"),
        (NAN, "nan"),
        (-INF, "-inf"),
    ],
)
def test_a_number_in_its_units_has_four_digits(value: float, text: str) -> None:
    assert in_units(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0.00%"), (1e-12, "0.00%"), (0.0182, "1.82%"), (0.09996, "10.0%"), (0.1234, "12.3%"),
     (1, "100.0%"), (-0.5, "-50.0%"), (NAN, "nan%")],
)  # fmt: skip
def test_a_share(value: float | None, text: str) -> None:
    assert share(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.23149, "0.231"), (1.729, "1.73"), (17.26, "17.3"), (1706.4, "1,706"), (0.0, "0.000"), (0.9996, "1.00"),
     (9.996, "10.0"), (99.96, "100"), (999_999.5, "1,000,000"), (1e-12, "0.000"), (-1.729, "-1.73"), (NAN, "nan"),
     (INF, "inf")],
)  # fmt: skip
def test_three_digits(value: float, text: str) -> None:
    assert three_digits(value) == text


def test_ratios() -> None:
    assert [times(23.14), times(0.684), times(0.996), times(1), times(0)] == ["23.1x", "0.68x", "1.0x", "1.0x", "0.00x"]
    assert [times(INF), times(NAN)] == ["infx", "nanx"]


def test_bytes_as_mebibytes() -> None:
    assert [in_mebibytes(n) for n in (0, 3 * 2**29)] == ["0", "1,536"]


def test_round_counts_are_short() -> None:
    assert [rounded_count(n) for n in (0, 512, 1_000, 25_000, 25_001, 1_000_000, 1_500_000)] == [
        "0", "512", "1K", "25K", "25,001", "1M", "1500K"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (4096, "4.1 kB"), (12 << 20, "12.6 MB"), (999_949, "999.9 kB"),
     (999_950, "1.0 MB"), (999_999_999, "1.0 GB"), (3 * 10**15, "3,000.0 TB")],
)  # fmt: skip
def test_sizes(number: int, text: str) -> None:
    assert in_bytes(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (1e-12, "0 s"),
        (0.04, "0 s"),
        (0.44, "0.4 s"),
        (9.96, "10.0 s"),
        (12.3, "12 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (119.7, "2 min"),
        (200, "3 min 20 s"),
        (3_599.9, "1 h 0 min"),
        (3_600, "1 h 0 min"),
        (7_500, "2 h 5 min"),
        (999_999.5, "277 h 46 min"),
        (-0.04, "0 s"),
        (-3, "-3.0 s"),
        (-90, "-1 min 30 s"),
        (NAN, "nan s"),
        (INF, "inf s"),
    ],
)
def test_a_duration_is_said_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (1e-12, "0:00"), (4.4, "0:04"), (59.6, "1:00"), (3_599.4, "59:59"), (3_599.9, "1:00:00"),
     (999_999.5, "277:46:40"), (-10, "0:00"), (INF, "-:--"), (NAN, "-:--")],
)  # fmt: skip
def test_the_time_left_is_shown_as_on_a_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("text", "kept", "shown"),
    [
        ("état 漢字 [red]", "", "état 漢字 [red]"),
        ("é\x1b[2J\r\n\x9b", "", r"é\x1b[2J\r\n\x9b"),
        ("a\n\tb\r", "\n\t", "a\n\tb\\r"),
        ("\u202e\udcff\U000e0001", "", r"\u202e\udcff\U000e0001"),
    ],
)
def test_control_characters_are_printed_as_escapes(text: str, kept: str, shown: str) -> None:
    assert printable(text, kept) == shown
