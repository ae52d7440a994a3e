"""Configs from files and flags: plain data, or one line that says what is wrong."""

import json
import os
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from c2lib.cli.config_files import MAX_CONFIG_BYTES, line_of, parse_assignment, read_config_file
from c2lib.cli.parameters import set_field
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import ConfigError

KEY_ID = "AK" + "IA" + "QWERTYUIOP012345"
BURSTS = "broker.rate_limit.bursts: unknown field (did you mean 'burst'?)"


def written(folder: Path, content: str | bytes, name: str) -> Path:
    """Write a config file and return its path."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def values_of(path: Path) -> dict[str, Any]:
    """Return the mapping that a config file holds."""
    return read_config_file(path)[0]


def refusal(path: Path) -> str:
    """Return why a file is no config, be it the file itself or what stands in it."""
    with pytest.raises(ConfigError) as caught:
        DryrunConfig.parse({"strategy_id": "strat_demo", "seed": 1} | values_of(path))
    text = str(caught.value)
    assert "\n" not in text
    return text.removeprefix(f"{path.parent}/")


@pytest.mark.parametrize("name", ["run.yaml", "run.yml", "RUN.JSON"])
def test_yaml_equals_json(tmp_path: Path, name: str) -> None:
    """YAML and JSON of the same config give the same values, with or without a byte order mark."""
    values = {"strategy_id": "strat_demo", "seed": 3, "market": {"symbol": "ADA"}, "strategy_allowlist": ["a", "b"]}
    text = json.dumps(values)
    assert values_of(written(tmp_path, text, name)) == values
    assert values_of(written(tmp_path, b"\xef\xbb\xbf" + text.encode(), name)) == values


def test_yaml_values_keep_written_types(tmp_path: Path) -> None:
    """A YAML value in quotes is text, and a number, a truth value or null without quotes keeps its type."""
    text = "seed: 7\nbroker: {initial_cash: '5000'}\nrun_id: null\nenabled: true\n"
    assert values_of(written(tmp_path, text, "run.yaml")) == {
        "seed": 7,
        "broker": {"initial_cash": "5000"},
        "run_id": None,
        "enabled": True,
    }


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("seed: &a 1\nsteps: *a\n", "run.yaml, line 2: aliases are refused"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "run.yaml, line 2: aliases are refused"),
        ("<<: {seed: 1}\nsteps: !!int 5\n", "run.yaml, line 2: tags are refused"),
        ("seed: !!python/object/apply:os.system [ls]\n", "run.yaml, line 1: tags are refused"),
        ("seed: !!bool maybe\n", "run.yaml, line 1: tags are refused"),
        ("seed: ! 1\n", "run.yaml, line 1: tags are refused"),
        ("%TAG ! tag:example.org,2000:\n---\nseed: !x 1\n", "run.yaml, line 3: tags are refused"),
        ("seed: !k!x 1\n", "run.yaml, line 1: found undefined tag handle '!k!'"),
        ("a: &a 1\nb: &a 1\n", "run.yaml, line 2: second occurrence"),
        ("steps: 2\nsteps: 3\n", "run.yaml, line 2: 'steps' stands there twice"),
        ("steps: 2\n'steps': 3\n", "run.yaml, line 2: 'steps' stands there twice"),
        ("seed: 1\nmarket:\n  symbol: A\n  symbol: B\n", "run.yaml, line 4: 'symbol' stands there twice"),
        ("seed: " + "[" * 10_000 + "]" * 10_000, "run.yaml, line 1: nested deeper than 20"),
        ("seed:\n" + "".join(" " * n + "-\n" for n in range(30)), "run.yaml, line 21: nested deeper than 20"),
        ("seed: " + "[" * 50, "run.yaml, line 1: nested deeper than 20"),
        ("seed: " + "{a: " * 50, "run.yaml, line 1: nested deeper than 20"),
        ("seed: [1\nsteps: }", "run.yaml, line 2: expected ',' or ']'"),
        ("seed: 1\n\tsteps: 2\n", "run.yaml, line 2: found character '\\t' that cannot start any token"),
        ("seed: 1\n---\nseed: 2\n", "run.yaml, line 2: but found another document"),
        ("? {seed: 1}\n: 2\n", "run.yaml, line 1: a field name must be text"),
        ("clock_start: 2026-13-45\n", "clock_start: is not an ISO 8601 time"),
        ("seed: 1\x00", "run.yaml: is no YAML: unacceptable character #x0000"),
        (b"seed: \xff\n", "run.yaml: is not UTF-8 at byte 6"),
        ("", "run.yaml: must be a mapping of field names to values"),
        ("- seed\n", "run.yaml: must be a mapping of field names to values"),
        ("clock_start: 2026-01-01\n", "clock_start: has no time zone"),
        (
            "broker: {initial_cash: 1.5}\n",
            "broker.initial_cash: must be text, since a number could lose digits: quote it",
        ),
        ("run_id: 5\n", "run_id: input should be a valid string"),
        ("seed: 0o17\n", "seed: input should be a valid integer"),
        ("seed: 017\n", "seed: input should be a valid integer"),
        ("seed: 0x1f\n", "seed: input should be a valid integer"),
        ("seed: 1_000\n", "seed: input should be a valid integer"),
        ("seed: 1:30\n", "seed: input should be a valid integer"),
        ("seed: +7\n", "seed: input should be a valid integer"),
        ("seed: 1e3\n", "seed: input should be a valid integer"),
        ("seed: true\n", "seed: input should be a valid integer"),
        ("seed: on\n", "seed: input should be a valid integer"),
        ("seed: -.inf\n", "seed: input should be a valid integer"),
        ("seed: " + "9" * 90_000, "seed: must lie below 2**53"),
        ("run_id: " + "9" * 5000, "run_id: input should be a valid string"),
        ("enabled: on\n", "enabled: input should be a valid boolean"),
        ("enabled: no\n", "enabled: input should be a valid boolean"),
        ("seed:\n", "seed: input should be a valid integer"),
        ("market: [symbol]\n", "market: input should be a valid dictionary"),
        ("strategy_allowlist: strat_demo\n", "strategy_allowlist: input should be a valid tuple"),
        ("strategy_allowlist: [1]\n", "strategy_allowlist.0: input should be a valid string"),
        ('run_id: "\\ud800"\n', "run_id: "),
        ("<<: {seed: 1}\n", "<<: unknown field"),
        ("seed: '7'\n", "seed: input should be a valid integer"),
        ("seed: 1.0\n", "seed: input should be a valid integer"),
        ("enabled: 1\n", "enabled: input should be a valid boolean"),
        ("steps: .nan\n", "steps: input should be a valid integer"),
        ("true: 1\n", "run.yaml, line 1: a field name must be text"),
        ("market: {7: 1}\n", "run.yaml, line 1: a field name must be text"),
        ("yes: 1\n", "yes: unknown field"),
        ("broker: {rate_limit: {bursts: 1}}\n", BURSTS),
        ("broker: {rate_limit: {burst: 1, per_second: '1', bursts: 1}}\n", BURSTS),
        ("stepps: 5\n", "stepps: unknown field (did you mean 'steps'?)"),
        ("market: {simbol: A}\n", "market.simbol: unknown field (did you mean 'symbol'?)"),
    ],
)
def test_invalid_yaml_config_is_refused(tmp_path: Path, content: str | bytes, problem: str) -> None:
    """YAML that is no config is refused with an error that names the line of the file or the field."""
    assert refusal(written(tmp_path, content, "run.yaml")).startswith(problem)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"seed": 1, "seed": 2}', "run.json: 'seed' stands there twice"),
        ('{"market": {"symbol": "A", "symbol": "B"}}', "run.json: 'symbol' stands there twice"),
        ('{"seed": ' + "[" * 30 + "]" * 30 + "}", "run.json: nested deeper than 20"),
        ('{"seed": ' + "[" * 90_000, "run.json: nested deeper than 20"),
        ('{"seed": ' + '{"a": ' * 10_000 + "1" + "}" * 10_001, "run.json: nested deeper than 20"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "run.json: is no JSON: Unexpected UTF-8 BOM"),
        (b"\xff\xfe{\x00}\x00", "run.json: is not UTF-8 at byte 0"),
        ('{"seed": 1\x00}', "run.json: is no JSON: Expecting"),
        ('{"seed": Infinity}', "seed: input should be a valid integer"),
        ('{"seed": true}', "seed: input should be a valid integer"),
        ('{"seed": null}', "seed: input should be a valid integer"),
        ('{"seed": -' + "9" * 90_000 + "}", "seed: must lie below 2**53"),
        ('{"broker": {"initial_cash": ' + "9" * 90_000 + "}}", "broker.initial_cash: must be text"),
        ('{"\\ud800": 1}', "\\ud800: a field name has a lone surrogate"),
        ('{"market": {"\\ud800": 1}}', "market: "),
        ('{"seed": ' + "9" * 5000 + "}", "seed: must lie below 2**53"),
        ('{"seed": 1,}', "run.json: is no JSON: Expecting property name"),
        ("seed: 1", "run.json: is no JSON: Expecting value"),
        (b'{"seed": "\xe9"}', "run.json: is not UTF-8 at byte 10"),
        ('{"seed": NaN}', "seed: input should be a valid integer"),
        ('{"seed": 1e3}', "seed: input should be a valid integer"),
        ('{"run_id": "\\ud800"}', "run_id: "),
        ("[]", "run.json: must be a mapping of field names to values"),
        ('{"broker": {"initial_cash": 5000}}', "broker.initial_cash: must be text"),
    ],
)
def test_invalid_json_config_is_refused(tmp_path: Path, content: str | bytes, problem: str) -> None:
    """JSON that is no config is refused with an error that names the file or the field."""
    assert refusal(written(tmp_path, content, "run.json")).startswith(problem)


def test_huge_config_file_is_refused(tmp_path: Path) -> None:
    """A config file of 100 MB is refused after reading no more than shows that the file is too large."""
    with (tmp_path / "huge.yaml").open("wb") as file:
        file.truncate(100_000_000)
    tracemalloc.start()
    assert refusal(tmp_path / "huge.yaml") == "huge.yaml: is larger than 100000 bytes"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * MAX_CONFIG_BYTES


def test_unquoted_yaml_follows_json_types(tmp_path: Path) -> None:
    """An unquoted YAML word has a type only as JSON would read the word, or as null; any other word is text."""
    text = "a: NO\nb: 017\nc: 1:30\nd: 2026-01-01\ne: .inf\nf: -0.5\ng: true\nh: ~\ni:\nj: 12\nk: '12'\nl: =\n"
    assert values_of(written(tmp_path, text, "run.yaml")) == {
        "a": "NO",
        "b": "017",
        "c": "1:30",
        "d": "2026-01-01",
        "e": ".inf",
        "f": -0.5,
        "g": True,
        "h": None,
        "i": None,
        "j": 12,
        "k": "12",
        "l": "=",
    }


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (f"{KEY_ID}: 1\n", "run.yaml"),
        (f"market: {{{KEY_ID}: 1}}\n", "run.yaml"),
        (f"{KEY_ID}: 1\n{KEY_ID}: 2\n", "run.yaml"),
        (f"seed: !{KEY_ID}!x 1\n", "run.yaml"),
        (f"seed: &{KEY_ID} 1\na: &{KEY_ID} 2\n", "run.yaml"),
        (f'{{"{KEY_ID}": 1, "{KEY_ID}": 2}}', "run.json"),
        (f'{{"{KEY_ID}": 1}}', "run.json"),
        (f'{{"seed": "{KEY_ID}"}}', "run.json"),
        (f'{{"seed": {KEY_ID}}}', "run.json"),
        ("[]", f"{KEY_ID}.json"),
    ],
)
def test_refusal_repeats_no_secret(tmp_path: Path, content: str, name: str) -> None:
    """A refused config's error never repeats a secret from a name, tag, anchor, value or file name."""
    assert KEY_ID not in refusal(written(tmp_path, content, name))


@pytest.mark.parametrize("name", ["run.yaml", "run.json"])
def test_two_megabyte_config_is_refused(tmp_path: Path, name: str) -> None:
    """A config file of 2 MB is refused as too large."""
    path = written(tmp_path, '{"a": "' + "x" * 2 * MAX_CONFIG_BYTES + '"}', name)
    assert refusal(path) == f"{name}: is larger than 100000 bytes"


def test_unreadable_config_file_is_named(tmp_path: Path) -> None:
    """A config path that is missing, a folder, a pipe, a device or no path at all is refused by name."""
    assert refusal(tmp_path / "none.yaml") == "none.yaml: cannot be read: No such file or directory"
    (tmp_path / "folder.json").mkdir()
    assert refusal(tmp_path / "folder.json") == "folder.json: cannot be read: it is a folder"
    os.mkfifo(tmp_path / "pipe.yaml")
    assert refusal(tmp_path / "pipe.yaml") == "pipe.yaml: cannot be read: it is no regular file"
    assert refusal(Path("/dev/zero")) == "zero: cannot be read: it is no regular file"
    assert refusal(Path("/")) == "/: cannot be read: it is a folder"
    assert refusal(tmp_path / "a\0b.yaml") == "a\0b.yaml: cannot be read: no path can be spelled like this"


@pytest.mark.parametrize(
    ("assignment", "field", "value"),
    [
        ("seed=7", "seed", 7),
        ("enabled=true", "enabled", True),
        ("run_id=null", "run_id", None),
        ("broker.initial_cash='5000'", "broker.initial_cash", "'5000'"),
        ('broker.initial_cash="5000"', "broker.initial_cash", "5000"),
        ("strategy_allowlist=[]", "strategy_allowlist", []),
        ("strategy_id=a=b", "strategy_id", "a=b"),
        ('strategy_id=""', "strategy_id", ""),
        ("broker.initial_cash=5000", "broker.initial_cash", "5000"),
        ("market.tick_size=0.00000001", "market.tick_size", "0.00000001"),
        ("market.tick_size= 1 ", "market.tick_size", "1"),
        ("broker.participation=1", "broker.participation", "1"),
        ('broker={"taker_fee_rate":0.0002}', "broker", {"taker_fee_rate": "0.0002"}),
        ("run_id=20260101", "run_id", "20260101"),
        ("broker.slippage_ticks=2", "broker.slippage_ticks", 2),
        ("strategy.params.fast=5", "strategy.params.fast", 5),
        ("strategy.params.class_name=5", "strategy.params.class_name", 5),
        ("strategy.params.share=0.5", "strategy.params.share", "0.5"),
        ("broker.participation=null", "broker.participation", None),
        ("keep_strategy=false", "keep_strategy", False),
        ("nonsense.field=7", "nonsense.field", 7),
        ("strategy_id=[", "strategy_id", "["),
        ("seed=" + "9" * 5000, "seed", int("9" * 20)),
    ],
)
def test_assignment_values_are_json(assignment: str, field: str, value: Any) -> None:
    """The value of an assignment is read as JSON, and as text where it is no JSON, or a number of a field of text."""
    assert parse_assignment(assignment) == (field, value)


@pytest.mark.parametrize("assignment", ["", "seed", "=1", ".seed=1", "a b=1", "market..symbol=A", "x-y=1"])
def test_assignment_needs_a_field(assignment: str) -> None:
    """An assignment without a proper field name is refused with the form to write."""
    with pytest.raises(ConfigError, match="--set: write FIELD=VALUE"):
        parse_assignment(assignment)


@pytest.mark.parametrize("assignment", ["seed=", "market.symbol= ", "strategy.params.x=\t"])
def test_assignment_needs_a_value(assignment: str) -> None:
    """An assignment of nothing is refused by its field, with the ways to write the empty text and null."""
    with pytest.raises(
        ConfigError, match=r"^--set [a-z.]+: is empty \(give a value; '\"\"' is the empty text, null is none\)"
    ):
        parse_assignment(assignment)


@pytest.mark.parametrize(
    ("field", "text", "line"),
    [
        ("seed", "# a remark\nseed: x\n", 2),
        ("broker.taker_fee_rate", "seed: 1\nbroker:\n  kind: mock\n  taker_fee_rate: 0.0002\n", 4),
        ("broker.rate_limit.burst", "broker:\n  rate_limit: {per_second: '1'}\n", 2),
        ("strategy_allowlist.1", "seed: 1\nstrategy_allowlist:\n  - a\n  - 1\n", 2),
        ("steps", "seed: 1\n", None),
        ("seed", '{\n  "steps": 3,\n  "seed": "x"\n}\n', 3),
        ("seed", '{\n\t"seed": "x"\n}\n', None),
        ("seed", "", None),
    ],
)
def test_field_has_its_line(field: str, text: str, line: int | None) -> None:
    """A field of a config file has the line that it, or what it would stand in, begins on; JSON with tabs has none."""
    assert line_of(field, text) == line


@pytest.mark.parametrize("unit", ["a,", "- [[[]]]\n", "- a\n", '- "\\u0041"\n', "# x\n", "? x\n"])
def test_largest_config_parses_quickly(tmp_path: Path, unit: str) -> None:
    """A YAML file of the most bytes allowed is read or refused within seconds, whatever it is made of."""
    text = ("x: [" if unit == "a," else "x:\n") + unit * ((MAX_CONFIG_BYTES - 10) // len(unit)) + "]" * (unit == "a,")
    path, began = written(tmp_path, text, "run.yaml"), time.process_time()
    with suppress(ConfigError):
        read_config_file(path)
    assert time.process_time() - began < 8


@pytest.mark.parametrize("text", ['{"symbol": "A", "symbol": "B"}', "[" * 30 + "]" * 30, "[" * 100_000])
def test_assigned_value_is_plain_data(text: str) -> None:
    """An assigned value with a repeated field or with deep nesting is refused."""
    with pytest.raises(ConfigError, match=r"--set market: ('symbol' stands there twice|nested deeper than 20)"):
        parse_assignment(f"market={text}")


def test_dotted_field_is_set() -> None:
    """A dotted flag changes one field of a mapping, and makes the mapping where there is none."""
    values: dict[str, Any] = {"seed": 1, "market": {"symbol": "A", "lot_size": "2"}}
    for field, value in (("seed", 2), ("market.symbol", "B"), ("market.synthetic.start_price", "7")):
        set_field(values, field, value)
    assert values == {"seed": 2, "market": {"symbol": "B", "lot_size": "2", "synthetic": {"start_price": "7"}}}


@pytest.mark.parametrize("value", [None, 5, "text", ["a"]])
def test_dotted_field_needs_mappings(value: Any) -> None:
    """Setting a dotted field below a value that is no mapping is refused with the name of that value's field."""
    with pytest.raises(ConfigError, match=r"^market: is no mapping$"):
        set_field({"market": value}, "market.symbol", "A")
    with pytest.raises(ConfigError, match=r"^market\.synthetic: is no mapping$"):
        set_field({"market": {"synthetic": value}}, "market.synthetic.start_price", "1")
