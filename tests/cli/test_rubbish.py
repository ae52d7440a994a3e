"""Rubbish on the command line, as users type it: exit 2, one line that says what to mend, nothing written."""

import shlex
from pathlib import Path

import pytest

from tests.app.conftest import Command
from tests.app.runs import market_csv, strategy_file

OK = "--strategy-id strat_demo --seed 7"
EMPTY = "is empty (give a value, or leave it out)"

ROWS: list[tuple[str, str]] = [
    # flags, paths, ids and numbers that are given but empty
    *((f"dryrun {OK} {flag} ''", f"{flag}: {EMPTY}") for flag in ("--run-id", "--symbol", "--tick-size", "--lot-size")),
    *((f"dryrun {OK} {flag} ''", f"{flag}: {EMPTY}") for flag in ("--clock-start", "--initial-cash", "--allow")),
    *((f"dryrun {OK} {flag} ''", f"{flag}: {EMPTY}") for flag in ("--config", "--market", "--strategy-file", "--out")),
    *((f"dryrun {OK} {flag} ' '", f"{flag}: {EMPTY}") for flag in ("--config", "--market", "--strategy-file", "--out")),
    *((f"dryrun {OK} {flag}=", f"{flag}: {EMPTY}") for flag in ("--market", "--out", "--param", "--set")),
    ("dryrun --strategy-id '' --seed 7", f"--strategy-id: {EMPTY}"),
    (f"dryrun {OK} --steps ''", "--steps: must be a whole number"),
    (f"dryrun {OK} --clock-mode ''", f"--clock-mode: {EMPTY}"),
    (f"dryrun {OK} --set market.symbol=", "--set market.symbol: is empty"),
    (f"dryrun {OK} --param quantity=", "--param quantity: is empty"),
    *((f"verify run {flag} ''", f"{flag}: {EMPTY}") for flag in ("--run", "--market", "--strategy-file")),
    ("verify run --expect-digest ''", f"--expect-digest: {EMPTY}"),
    ("verify ''", f"PATH: {EMPTY}"),
    *((f"evidence run {flag} ''", f"{flag}: {EMPTY}") for flag in ("--market", "--strategy-file", "--date", "--owner")),
    ("evidence ''", f"RUN_DIR: {EMPTY}"),
    ("diff '' run", f"A: {EMPTY}"),
    ("diff run ''", f"B: {EMPTY}"),
    ("schema --out ''", f"--out: {EMPTY}"),
    # one field, two values
    (f"dryrun {OK} --steps 3 --set steps=4", "steps: is given by --steps and by --set steps (give it once)"),
    (f"dryrun {OK} --set steps=4 --steps 3", "steps: is given by --steps and by --set steps (give it once)"),
    (f"dryrun {OK} --set steps=4 --set steps=4", "steps: is given by --set steps and by --set steps"),
    (f"dryrun {OK} --steps 3 --steps 4", "--steps: is given twice"),
    (f"dryrun {OK} --market day.csv --market day.csv", "--market: is given twice"),
    (f"dryrun {OK} --symbol A --set 'market={{}}'", "market: is given by --symbol and by --set market"),
    (f"dryrun {OK} --set 'broker={{}}' --set broker.kind=mock", "broker.kind: is given by --set broker and by"),
    (f"dryrun {OK} --allow strat_demo --set 'strategy_allowlist=[]'", "strategy_allowlist: is given by --allow and by"),
    (
        f"dryrun {OK} --param quantity=1 --param quantity=2",
        "strategy.params.quantity: is given by --param quantity and",
    ),
    ("verify run --market a --market b", "--market: is given twice"),
    # misspelt commands, flags, fields and strategies
    ("dryrnu", "unknown command 'dryrnu' (did you mean 'dryrun'?)"),
    ("verfy run", "unknown command 'verfy' (did you mean 'verify'?)"),
    ("evidnce run", "unknown command 'evidnce' (did you mean 'evidence'?)"),
    ("run.yaml", "unknown command 'run.yaml' (one of dryrun, verify, diff, evidence, show, export, notebook, schema)"),
    (f"dryrun {OK} --strategy_file mine.py:Buyer", "unknown option --strategy (did you mean"),
    (f"dryrun {OK} --strategyfile mine.py:Buyer", "unknown option --strategyfile (did you mean '--strategy-file'?)"),
    (f"dryrun {OK} --step 3", "unknown option --step (did you mean '--steps'?)"),
    ("verify run --replay", "unknown option --replay (did you mean '--no-replay'?)"),
    ("evidence run --no-plot", "unknown option --no-plot (did you mean '--no-plots'?)"),
    (f"dryrun {OK} run.yaml", "an argument that no option takes"),
    (f"dryrun {OK} --set stps=3", "--set stps: unknown field (did you mean 'steps'?)"),
    (f"dryrun {OK} --set broker.cash=3", "--set broker.cash: unknown field (did you mean 'initial_cash'?)"),
    (f"dryrun {OK} --set xyz=3", "--set xyz: unknown field (remove it)"),
    (f"dryrun {OK} --param quantiti=3", "--param quantiti: strategy.params.quantiti: strat_demo has no such parameter"),
    ("dryrun --strategy-id sma --seed 7", "--strategy-id: 'sma' is no built-in strategy"),
    ("dryrun --strategy-id demo --seed 7", "(did you mean 'strat_demo'?; one of your own needs a file, and --allow"),
    ("dryrun --strategy-id mine --seed 7 --allow mine", "--strategy-file FILE.py:CLASS --allow mine"),
    # values that do not fit
    ("dryrun", "--strategy-id: is missing"),
    ("dryrun --strategy-id strat_demo", "--seed: is missing"),
    ("dryrun --strategy-id strat_demo --seed 1.0", "--seed: must be a whole number"),
    (f"dryrun {OK} --steps -1", "--steps: input should be greater than or equal to 1"),
    (f"dryrun {OK} --steps", "--steps: expected one argument"),
    (f"dryrun {OK} --tick-size 0,01", "--tick-size: market.tick_size: is not a decimal number"),
    (f"dryrun {OK} --initial-cash -5", "--initial-cash"),
    (f"dryrun {OK} --clock-start today", "--clock-start: is not an ISO 8601 time"),
    (f"dryrun {OK} --clock-mode injected", "--clock-mode: invalid choice: (choose from 'fixed', 'market')"),
    (f"dryrun {OK} --tick-events none", "--tick-events: invalid choice: (choose from 'every', 'decisions')"),
    (f"dryrun {OK} --no-live off", "--no-live: invalid choice: (choose from 'hook', 'namespace')"),
    (f"dryrun {OK} --set seed", "--set: write FIELD=VALUE"),
    (f"dryrun {OK} --param fast", "--param: write NAME=VALUE"),
    (f"dryrun {OK} --set broker.slippage_ticks=0.5", "--set broker.slippage_ticks: input should be a valid integer"),
    (f"dryrun {OK} --run-id ../up", "--run-id: cannot name a run directory"),
    # files that are not there, or are something else
    (f"dryrun {OK} --config none/run.yaml", "none/run.yaml: cannot be read: No such file or directory"),
    (f"dryrun {OK} --config .", ".: cannot be read: it is a folder"),
    (
        f"dryrun {OK} --config ./fee.yaml",
        "./fee.yaml, line 2: broker.taker_fee_rate: must be text, since a number could",
    ),
    (f"dryrun {OK} --config fee.yaml", "quote it, such as '0.0002'"),
    (f"dryrun {OK} --config day.csv", "day.csv"),
    (f"dryrun {OK} --market none/day.csv", "day.csv"),
    (f"dryrun {OK} --strategy-file none/mine.py:Buyer", "none/mine.py cannot be read"),
    (f"dryrun {OK} --strategy-file mine.py", "'mine.py' does not name a strategy: write FILE.py:CLASS"),
    (f"dryrun {OK} --strategy-file ./mine.py:Seller", "mine.py defines no Seller at its top level"),
    (
        f"dryrun {OK} --strategy-file mine.py:Buyer",
        "--strategy-id: 'strat_demo' is the name of a strategy of c2lib's own",
    ),
    (f"dryrun {OK} --out day.csv", "the output root day.csv is no folder"),
    ("verify none/run", "none/run"),
    ("diff none/run none/run", "none/run"),
    ("evidence none/run", "none/run"),
    ("show none/run", "none/run"),
    ("show ''", f"RUN_DIR: {EMPTY}"),
    ("show", "the following arguments are required: RUN_DIR"),
    ("show . --picture run.jpg", "--picture: must end in .png or .svg"),
    ("show . --picture ''", f"--picture: {EMPTY}"),
    ("show . --picture run.png --picture run.svg", "--picture: is given twice"),
    ("show . --pictur run.png", "unknown option --pictur (did you mean '--picture'?)"),
    ("export none/run", "none/run"),
    ("export ''", f"RUN_DIR: {EMPTY}"),
    ("export . --format xlsx", "--format: invalid choice: (choose from 'csv', 'parquet')"),
    ("export . --out ''", f"--out: {EMPTY}"),
    ("export . --form csv", "unknown option --form (did you mean '--format'?)"),
    ("export . day.csv", "an argument that no option takes"),
    ("notebook", "the following arguments are required: NAME"),
    ("notebook dryrun", "NAME: 'dryrun' is no notebook of c2lib (did you mean '01_dryrun'?)"),
    ("notebook 01_dryrun -p seed", "-p: expected 2 arguments"),
    ("notebook 01_dryrun -p seed ''", f"-p: {EMPTY}"),
    ("notebook 01_dryrun -p seed 1 -p seed 2", "-p seed: is given twice"),
    ("notebook 01_dryrun -p sed 1", "sed: is no parameter of this notebook (did you mean 'seed'?)"),
    ("notebook 01_dryrun -p seed one", "seed: input should be a valid integer"),
    ("notebook 01_dryrun --seed 1", "unknown option --seed"),
    ("notebook 01_dryrun --out day.csv", "day.csv: File exists"),
    ("notebook 01_dryrun --out ''", f"--out: {EMPTY}"),
    ("verify run --json=yes", "--json: ignored explicit argument"),
]


@pytest.mark.parametrize(("line", "message"), ROWS, ids=[line for line, _ in ROWS])
def test_rubbish_is_refused(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, message: str
) -> None:
    """Rubbish is exit 2 with one line on stderr that says what to mend, nothing on stdout and nothing written."""
    market_csv(tmp_path / "day.csv")
    strategy_file(tmp_path)
    (tmp_path / "fee.yaml").write_text("broker:\n  taker_fee_rate: 0.0002\n")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    answer = command(*shlex.split(line))
    assert answer.code == 2, answer
    assert message in answer.complaint
    assert sorted(tmp_path.rglob("*")) == before
