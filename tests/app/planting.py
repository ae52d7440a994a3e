"""Every field that a user can reach, as a function that plants a text there and returns what was answered.

What a function writes on a user's behalf (a config, a market file) goes below ``given``; everything else below the
folder was written by c2lib.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from c2lib.app.runner import run_dryrun
from c2lib.core.config import DryrunConfig, seal
from c2lib.core.errors import C2Error
from c2lib.core.model import Bar, CancelIntent, OrderIntent, PositionView
from c2lib.core.vocabulary import Artifact
from c2lib.session.orchestrator import LiveSessionOrchestrator
from tests.app.conftest import Command
from tests.app.runs import BUYER, DEMO, RUN, place_below
from tests.app.sessions import Buyer, config

SHORT = ("--steps", "6")
CONFIG = config(steps=6)
OWN = config(steps=6, strategy_id="mine", strategy_allowlist=("mine",))


@dataclass(frozen=True)
class Ground:
    """Where a text is planted, and the command line to do it with."""

    text: str
    folder: Path
    command: Command

    @property
    def out(self) -> Path:
        """Where runs are published."""
        return self.folder / "out"

    def given(self, name: str, content: str | bytes = "") -> Path:
        """Write a file of the user's and return its path; a slash in its name makes folders."""
        path = self.folder / "given" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
        return path

    def dryrun(self, *words: object) -> list[str]:
        """Run the command; what it published is verified and put into evidence."""
        usual = (*DEMO, *SHORT)
        pairs = [usual[at : at + 2] for at in range(0, len(usual), 2) if usual[at] not in words]
        told = self.told("dryrun", *(word for pair in pairs for word in pair), *words, "--out", self.out)
        place = place_below(self.out)
        if place.is_dir():
            told += self.told("verify", place, "--json")
            told += self.told("evidence", place, "--date", "2026-01-02", "--no-plots")
        return told

    def told(self, *words: object) -> list[str]:
        """Return what a command answered, and that it neither crashed nor waited."""
        answer = self.command(*map(str, words))
        assert answer.code in (0, 1, 2)
        assert "Traceback" not in answer.err
        return [answer.out, answer.err]

    def run(self, **options: Any) -> list[str]:
        """Run a session in Python with a strategy of one's own and return its result, or its error."""
        try:
            result = run_dryrun(options.pop("config", OWN), out_dir=self.out, **options)
        except C2Error as error:
            return [repr(error), str(error), repr(vars(error))]
        return [repr(result), result.text(), json.dumps(result.summary())]

    def in_memory(self, **options: Any) -> list[str]:
        """Run a session into lists and return its lines and its result, or its error."""
        sinks: dict[str, Any] = {f"{name}_sink": [] for name in ("event", "state", "metrics", "audit")}
        try:
            result = LiveSessionOrchestrator().run_dryrun(options.pop("config", CONFIG), **{**sinks, **options})
        except C2Error as error:
            return [repr(error), str(error), repr(vars(error))]
        lines = [line for sink in sinks.values() for line in sink]
        return [*lines, repr(result), result.text()]


Plant = Callable[[Ground], list[str]]


def dotted_fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the dotted name of every field of a config, those of optional models too."""
    for name, field in model.model_fields.items():
        yield prefix + name
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from dotted_fields(kind, f"{prefix}{name}.")


def nested(field: str, value: object) -> dict[str, Any]:
    """Return the mapping that holds a value in a dotted field."""
    name, _, rest = field.partition(".")
    return {name: nested(rest, value) if rest else value}


def config_field(field: str, in_list: bool = False) -> Plant:
    """Return what plants a text in a field of a config file."""

    def plant(ground: Ground) -> list[str]:
        values = nested(field, [ground.text] if in_list else ground.text)
        words = ["dryrun", "--config", ground.given("run.json", json.dumps(values)), "--out", ground.out]
        needed = {"strategy_id": "--strategy-id", "seed": "--seed", "run_id": "--run-id", "steps": "--steps"}
        given = {"--strategy-id": "strat_demo", "--seed": "7", "--run-id": RUN, "--steps": "6"}
        for name, flag in needed.items():
            words += [flag, given[flag]] if name != field else []
        told = ground.told(*words)
        place = place_below(ground.out)
        if place.is_dir():
            verified = ground.command("verify", place)
            assert verified.code == 0, verified
            told += [verified.out, verified.err]
            told += ground.told("evidence", place, "--date", "2026-01-02", "--no-plots")
        return told

    return plant


def flag(*words: str, command: str = "dryrun") -> Plant:
    """Return what plants a text in the last word of a command line, where ``{}`` stands for it."""

    def plant(ground: Ground) -> list[str]:
        given = [word.replace("{}", ground.text.replace("\0", "")) for word in words]
        if command == "dryrun":
            return ground.dryrun(*given)
        run_dryrun(CONFIG, out_dir=ground.out)
        return ground.told(command, *(["--no-plots"] if command == "evidence" else []), place_below(ground.out), *given)

    return plant


def strategy(decide: Callable[[str], Any]) -> Plant:
    """Return what plants a text in what a strategy answers, or raises, at its third bar."""

    def plant(ground: Ground) -> list[str]:
        class Planter(Buyer):
            def on_bar(self, bar: Bar, view: PositionView) -> Any:
                return decide(ground.text) if bar.bar_index == 2 else []

        return ground.run(strategy=Planter)

    return plant


def raising(make: Callable[[str], BaseException]) -> Callable[[str], Any]:
    """Return what raises the exception that is made of a text."""

    def act(text: str) -> Any:
        raise make(text)

    return act


def named(text: str, base: type = Exception) -> Any:
    """Return a class of that name."""
    return type(text, (base,), {})


def chained(text: str) -> Any:
    """Raise an error that was caused by another one and has a note."""
    error = RuntimeError("outer")
    error.add_note(text)
    raise error from ValueError(text)


def broken_constructor(ground: Ground) -> list[str]:
    """Plant a text in what a strategy's constructor raises."""

    class Planter(Buyer):
        def __init__(self, settings: object) -> None:
            raise RuntimeError(ground.text)

    return ground.run(strategy=Planter)


class Sink:
    """A sink that raises."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def write(self, line: str) -> None:
        """Refuse the line."""
        raise self._error


class Clock:
    """A clock that raises after a number of readings."""

    def __init__(self, error: BaseException, looks: int) -> None:
        self._error, self._looks = error, looks

    def now(self) -> Any:
        """Return the time, or raise."""
        from datetime import UTC, datetime

        self._looks -= 1
        if self._looks < 0:
            raise self._error
        return datetime(2026, 1, 1, tzinfo=UTC)


def cancel_reason(ground: Ground) -> list[str]:
    """Plant a text in the reason of a cancel."""
    lines: list[str] = []
    session = LiveSessionOrchestrator().open(CONFIG, event_sink=lines, audit_sink=lines, state_sink=lines)
    session.step()
    session.cancel(ground.text)
    return [repr(session.stop()), *lines, json.dumps(session.inputs())]


def shown_config(ground: Ground) -> list[str]:
    """Plant a text in configs that are shown, as a notebook's cell does."""
    made = DryrunConfig(strategy_id=ground.text, seed=1, strategy_allowlist=(ground.text,))
    return [repr(made), str(made), repr(seal(made)), json.dumps(seal(made).canonical())]


def market_name(ground: Ground) -> list[str]:
    """Plant a text in the names of market files, one good and one bad."""
    rows = "date,open,high,low,close\n" + "".join(f"2026-01-{day:02},2,3,1,2\n" for day in range(1, 29))
    good = ground.dryrun("--market", ground.given(f"{ground.text}.csv", rows))
    return good + ground.dryrun("--market", ground.given(f"{ground.text}.txt", rows), "--run-id", "r2")


def market_text(row: str) -> Plant:
    """Return what plants a text in a market file's header or cells, as one quoted cell."""

    def plant(ground: Ground) -> list[str]:
        cell = '"' + ground.text.replace('"', "'").replace("\n", " ") + '"'
        text = row.replace("{}", cell)
        return ground.dryrun("--market", ground.given("day.csv", text))

    return plant


def strategy_file(name: str, text: str) -> Plant:
    """Return what plants a text in a strategy file's name or source."""

    def plant(ground: Ground) -> list[str]:
        source = text.replace("{}", ground.text.replace("\n", " ")).replace("{repr}", repr(ground.text))
        path = ground.given(name.replace("{}", ground.text), source)
        return ground.dryrun("--strategy-file", f"{path}:Buyer", "--strategy-id", "mine", "--allow", "mine")

    return plant


def environment(ground: Ground) -> list[str]:
    """Plant a text in variables that other programs keep secrets in."""
    names = ("OPENAI_API" + "_KEY", "AWS_SECRET" + "_ACCESS_KEY", "DATABASE_URL", "C2LIB_TOKEN")
    os.environ.update(dict.fromkeys(names, ground.text))
    try:
        return ground.dryrun()
    finally:
        for name in names:
            del os.environ[name]


def output_root(ground: Ground) -> list[str]:
    """Plant a text in the output root of the environment."""
    before = os.environ["C2LIB_OUT"]
    os.environ["C2LIB_OUT"] = str(ground.folder / ground.text)
    try:
        return ground.told("dryrun", *DEMO, *SHORT)
    finally:
        os.environ["C2LIB_OUT"] = before


def tampered(again: bool) -> Plant:
    """Return what plants a text in a published run, then verifies it, or runs it again."""

    def plant(ground: Ground) -> list[str]:
        root = ground.folder / "given"
        place = place_below(root)
        run_dryrun(CONFIG, out_dir=root)
        for name in (Artifact.EVENTS, Artifact.AUDIT, Artifact.METRICS):
            path = place / name
            text = json.dumps(ground.text)[1:-1]
            path.write_text(path.read_text().replace("strat_demo", text, 2))
        if again:
            return ground.told("dryrun", *DEMO, *SHORT, "--out", root)
        return ground.told("verify", place) + ground.told("verify", place, "--json")

    return plant


EMPTY_ORDER = OrderIntent("BUY", 1)

FIELDS: dict[str, Plant] = {
    **{f"config: {field}": config_field(field) for field in dotted_fields(DryrunConfig)},
    "config: an allowed strategy": config_field("strategy_allowlist", in_list=True),
    "config: an unknown field": lambda ground: config_field(ground.text.replace(".", "_"))(ground),
    "config: an unknown part": lambda ground: config_field("market." + ground.text.replace(".", "_"))(ground),
    "config: a file name": lambda ground: ground.dryrun("--config", ground.given(f"{ground.text}.json", "[]")),
    "config: a YAML file": lambda ground: ground.dryrun("--config", ground.given("run.yaml", f"seed: {ground.text}\n")),
    "config: shown": shown_config,
    "flag: --strategy-id": flag("--strategy-id", "{}"),
    "flag: --run-id": flag("--run-id", "{}"),
    "flag: --seed": flag("--seed", "{}"),
    "flag: --symbol": flag("--symbol", "{}"),
    "flag: --tick-size": flag("--tick-size", "{}"),
    "flag: --clock-start": flag("--clock-start", "{}"),
    "flag: --clock-mode": flag("--clock-mode", "{}"),
    "flag: --initial-cash": flag("--initial-cash", "{}"),
    "flag: --allow": flag("--allow", "strat_demo", "--allow", "{}"),
    "flag: --set of a value": flag("--set", "broker.kind={}"),
    "flag: --set of a name": flag("--set", "{}=1"),
    "flag: --set of anything": flag("--set", "{}"),
    "flag: one that is unknown": flag("--{}"),
    "flag: the value of an unknown one": flag("--nothing={}"),
    "flag: a word too many": flag("{}"),
    "flag: --out": lambda ground: ground.told("dryrun", *DEMO, *SHORT, "--out", ground.folder / ground.text),
    "flag: --strategy-file": flag("--strategy-file", "{}"),
    "flag: --market": flag("--market", "{}"),
    "evidence: --owner": flag("--owner", "{}", command="evidence"),
    "evidence: --date": flag("--date", "{}", command="evidence"),
    "evidence: --market": flag("--market", "{}", command="evidence"),
    "verify: --expect-digest": flag("--expect-digest", "{}", command="verify"),
    "verify: a path": flag("{}", command="verify"),
    "verify: a tampered run": tampered(again=False),
    "run again over a tampered run": tampered(again=True),
    "show: --picture": flag("--picture", "/dev/null/{}/run.png", command="show"),
    "export: --out": flag("--out", "/dev/null/{}", command="export"),
    "notebook: a name": lambda ground: ground.told("notebook", ground.text.replace("\0", "")),
    "notebook: a parameter": lambda ground: ground.told("notebook", "01_dryrun", "-p", ground.text, "1"),
    "schema: --out": lambda ground: ground.told("schema", "--out", ground.folder / "given" / ground.text),
    "schema: stale": lambda ground: ground.told("schema", "--check", "--out", ground.folder / "given" / ground.text),
    "strategy: a tag": strategy(lambda text: [EMPTY_ORDER._replace(tag=text)]),
    "strategy: an order to cancel": strategy(lambda text: [CancelIntent(text)]),
    "strategy: a side": strategy(lambda text: [EMPTY_ORDER._replace(side=text)]),
    "strategy: an answer": strategy(lambda text: text),
    "strategy: an answer's class": strategy(lambda text: [named(text, object)()]),
    "strategy: an exception": strategy(raising(RuntimeError)),
    "strategy: an exception of c2lib's": strategy(raising(C2Error)),
    "strategy: an exit": strategy(raising(SystemExit)),
    "strategy: an exception's class": strategy(raising(lambda text: named(text)("x"))),
    "strategy: a cause and a note": strategy(chained),
    "strategy: its constructor": broken_constructor,
    "strategy: its file's name": strategy_file("{}.py", BUYER),
    "strategy: its source": strategy_file("mine.py", BUYER + "\nKEY = {repr}\n"),
    "strategy: its broken source": strategy_file("mine.py", BUYER + "\n) {}\n"),
    "sink: an exception": lambda ground: ground.in_memory(event_sink=Sink(OSError(5, ground.text))),
    "sink: an exception's class": lambda ground: ground.in_memory(event_sink=Sink(named(ground.text)())),
    "sink: one that is none": lambda ground: ground.in_memory(event_sink=named(ground.text, object)()),
    "clock: its first look": lambda ground: ground.in_memory(clock=Clock(OSError(ground.text), 0)),
    "clock: a later look": lambda ground: ground.in_memory(clock=Clock(OSError(ground.text), 3)),
    "clock: one that is none": lambda ground: ground.in_memory(clock=named(ground.text, object)()),
    "a cancel's reason": cancel_reason,
    "market: its name": market_name,
    "market: its header": market_text("date,open,high,low,{}\n2026-01-01,2,3,1,2\n"),
    "market: another column": market_text("date,open,high,low,close,{}\n2026-01-01,2,3,1,2,x\n"),
    "market: a price": market_text("date,open,high,low,close\n2026-01-01,2,3,1,{}\n"),
    "market: a time": market_text("date,open,high,low,close\n{},2,3,1,2\n"),
    "environment: variables": environment,
    "environment: the output root": output_root,
}
