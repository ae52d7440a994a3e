"""Configs from files and flags: plain data, or one line that says what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from c2lib.app.config_files import MAX_CONFIG_BYTES, config_of, parse_assignment, read_config_file
from c2lib.core.config import DryrunConfig
from c2lib.core.errors import ConfigError


def written(folder: Path, content: str | bytes, name: str) -> Path:
    """Write a config file and return its path."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(path: Path) -> str:
    """Return why a file is no config, be it the file itself or what stands in it."""
    with pytest.raises(ConfigError) as caught:
        DryrunConfig.parse({"strategy_id": "strat_demo", "seed": 1} | read_config_file(path))
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("name", ["run.yaml", "run.yml", "RUN.JSON"])
def test_the_same_values_come_from_yaml_and_json(tmp_path: Path, name: str) -> None:
    """JSON is YAML, and either is read by its file's name; a byte order mark is no part of it."""
    values = {"strategy_id": "strat_demo", "seed": 3, "market": {"symbol": "ADA"}, "strategy_allowlist": ["a", "b"]}
    text = json.dumps(values)
    assert read_config_file(written(tmp_path, text, name)) == values
    assert read_config_file(written(tmp_path, b"\xef\xbb\xbf" + text.encode(), name)) == values


def test_yaml_is_typed_as_it_stands_there(tmp_path: Path) -> None:
    """Quotes make text, and without them a number is a number."""
    text = "seed: 7\nbroker: {initial_cash: '5000'}\nrun_id: null\nenabled: true\n"
    assert read_config_file(written(tmp_path, text, "run.yaml")) == {
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
        ("steps: 2\nsteps: 3\n", "run.yaml, line 1: a field stands there twice"),
        ("seed: 1\nmarket:\n  symbol: A\n  symbol: B\n", "run.yaml, line 3: a field stands there twice"),
        ("seed: " + "[" * 50, "run.yaml, line 1: nested deeper than 20"),
        ("seed: " + "{a: " * 50, "run.yaml, line 1: nested deeper than 20"),
        ("seed: [1\nsteps: }", "run.yaml, line 2: expected ',' or ']'"),
        ("seed: 1\n\tsteps: 2\n", "run.yaml, line 2: found character '\\t' that cannot start any token"),
        ("seed: 1\n---\nseed: 2\n", "run.yaml, line 2: but found another document"),
        ("? {seed: 1}\n: 2\n", "run.yaml, line 1: found unhashable key"),
        ("clock_start: 2026-13-45\n", "run.yaml: is no YAML: month must be in 1..12"),
        ("seed: 1\x00", "run.yaml: is no YAML: unacceptable character #x0000"),
        (b"seed: \xff\n", "run.yaml: is not UTF-8 at byte 6"),
        ("", "run.yaml: must be a mapping of field names to values"),
        ("- seed\n", "run.yaml: must be a mapping of field names to values"),
        ("clock_start: 2026-01-01\n", "clock_start: input should be a valid string"),
        ("clock_start: 2026-01-01T00:00:00Z\n", "clock_start: input should be a valid string"),
        ("broker: {initial_cash: 1.5}\n", "broker.initial_cash: input should be a valid string"),
        ("run_id: 5\n", "run_id: input should be a valid string"),
        ("strategy_id: NO\n", "strategy_id: input should be a valid string"),
        ("seed: '7'\n", "seed: input should be a valid integer"),
        ("seed: 1.0\n", "seed: input should be a valid integer"),
        ("enabled: 1\n", "enabled: input should be a valid boolean"),
        ("steps: .nan\n", "steps: input should be a valid integer"),
        ("yes: 1\n", "True: a field name must be text"),
        ("market: {yes: 1}\n", "market.1: keys should be strings"),
        ("stepps: 5\n", "stepps: unknown field (did you mean 'steps'?)"),
        ("market: {simbol: A}\n", "market.simbol: unknown field (did you mean 'symbol'?)"),
    ],
)
def test_yaml_that_is_no_config_is_refused(tmp_path: Path, content: str | bytes, problem: str) -> None:
    """The error names the line of the file, or the field."""
    assert refusal(written(tmp_path, content, "run.yaml")).startswith(problem)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"seed": 1, "seed": 2}', "run.json: a field stands there twice"),
        ('{"market": {"symbol": "A", "symbol": "B"}}', "run.json: a field stands there twice"),
        ('{"seed": ' + "[" * 30 + "]" * 30 + "}", "run.json: nested deeper than 20"),
        ('{"seed": ' + "[" * 100_000, "run.json: is no JSON: maximum recursion depth exceeded"),
        ('{"seed": ' + "9" * 5000 + "}", "run.json: is no JSON: Exceeds the limit (4300 digits)"),
        ('{"seed": 1,}', "run.json: is no JSON: Expecting property name"),
        ("seed: 1", "run.json: is no JSON: Expecting value"),
        (b'{"seed": "\xe9"}', "run.json: is not UTF-8 at byte 10"),
        ('{"seed": NaN}', "seed: input should be a valid integer"),
        ('{"seed": 1e3}', "seed: input should be a valid integer"),
        ('{"run_id": "\\ud800"}', "run_id: "),
        ("[]", "run.json: must be a mapping of field names to values"),
        ('{"broker": {"initial_cash": 5000}}', "broker.initial_cash: input should be a valid string"),
    ],
)
def test_json_that_is_no_config_is_refused(tmp_path: Path, content: str | bytes, problem: str) -> None:
    """JSON is held to the same rules as YAML."""
    assert refusal(written(tmp_path, content, "run.json")).startswith(problem)


@pytest.mark.parametrize("name", ["run.yaml", "run.json"])
def test_a_file_of_two_megabytes_is_refused_unread(tmp_path: Path, name: str) -> None:
    """A config is small, and what is not is no config."""
    path = written(tmp_path, '{"a": "' + "x" * 2 * MAX_CONFIG_BYTES + '"}', name)
    assert refusal(path) == f"{name}: is larger than 1000000 bytes"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Neither a missing file nor a folder is a config."""
    assert refusal(tmp_path / "none.yaml") == "none.yaml: cannot be read: No such file or directory"
    (tmp_path / "folder.json").mkdir()
    assert refusal(tmp_path / "folder.json") == "folder.json: cannot be read: Is a directory"


@pytest.mark.parametrize(
    ("assignment", "field", "value"),
    [
        ("seed=7", ["seed"], 7),
        ("enabled=true", ["enabled"], True),
        ("run_id=null", ["run_id"], None),
        ("broker.initial_cash='5000'", ["broker", "initial_cash"], "'5000'"),
        ('broker.initial_cash="5000"', ["broker", "initial_cash"], "5000"),
        ("strategy_allowlist=[]", ["strategy_allowlist"], []),
        ("strategy_id=a=b", ["strategy_id"], "a=b"),
        ("strategy_id=", ["strategy_id"], ""),
        ("strategy_id=[", ["strategy_id"], "["),
        ("seed=" + "[" * 100_000, ["seed"], "[" * 100_000),
    ],
)
def test_an_assignment_is_json_where_it_is_json(assignment: str, field: list[str], value: Any) -> None:
    """Anything else is text."""
    assert parse_assignment(assignment) == (field, value)


@pytest.mark.parametrize("assignment", ["", "seed", "=1", ".seed=1", "a b=1", "market..symbol=A", "x-y=1"])
def test_an_assignment_needs_a_field(assignment: str) -> None:
    """The error says how to write one."""
    with pytest.raises(ConfigError, match="--set: write FIELD=VALUE"):
        parse_assignment(assignment)


@pytest.mark.parametrize("text", ['{"symbol": "A", "symbol": "B"}', "[" * 30 + "]" * 30])
def test_an_assigned_value_is_plain_data_too(text: str) -> None:
    """A field that stands there twice is refused, and so is deep nesting."""
    with pytest.raises(ConfigError, match=r"--set market: (a field stands there twice|nested deeper than 20)"):
        parse_assignment(f"market={text}")


def test_flags_win_over_the_file_and_leave_it_as_it_is() -> None:
    """A dotted flag changes one field of a mapping, and makes the mapping where there is none."""
    base = {"strategy_id": "strat_demo", "seed": 1, "market": {"symbol": "A", "lot_size": "2"}}
    config = config_of(base, [(["seed"], 2), (["market", "symbol"], "B"), (["broker", "initial_cash"], "7")])
    assert (config.seed, config.market.symbol, config.market.lot_size) == (2, "B", "2")
    assert config.broker.initial_cash == "7"
    assert base == {"strategy_id": "strat_demo", "seed": 1, "market": {"symbol": "A", "lot_size": "2"}}


@pytest.mark.parametrize("value", [None, 5, "text", ["a"]])
def test_a_dotted_flag_needs_a_mapping(value: Any) -> None:
    """The error names the part of the field that is none."""
    with pytest.raises(ConfigError, match=r"^market: is no mapping$"):
        config_of({"market": value}, [(["market", "symbol"], "A")])
    with pytest.raises(ConfigError, match=r"^market\.synthetic: is no mapping$"):
        config_of({"market": {"synthetic": value}}, [(["market", "synthetic", "start_price"], "1")])
