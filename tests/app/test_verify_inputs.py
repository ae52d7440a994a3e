"""The market and strategy files of a replay are given by the caller and never taken from the manifest."""

from collections.abc import Callable
from pathlib import Path

import pytest

from c2lib.app.runner import opened_market, run_dryrun
from c2lib.app.strategy_files import strategy_from_file
from c2lib.app.verify import verify_run
from c2lib.core.canon import canonical_sha256, sha256_hex
from c2lib.core.errors import (
    ConfigError,
    InputError,
    MarketDataError,
    MissingExtraError,
    OutputError,
    StrategyLoadError,
)
from c2lib.core.vocabulary import Artifact
from c2lib.witness.findings import FindingCode
from tests.app.runs import BUYER, forge, manifest_of, market_csv, place_below
from tests.app.sessions import CONFIG
from tests.tamper.forgeries import Record
from tests.tamper.sample import content_of


class TestMarketFiles:
    """A run on a market file is replayed from the file that the caller gives, by its hash."""

    @pytest.fixture
    def market(self, tmp_path: Path) -> Path:
        """Return a market file."""
        return market_csv(tmp_path / "day.csv")

    @pytest.fixture
    def run(self, out: Path, market: Path) -> Path:
        """Return a run on the market file."""
        run_dryrun(CONFIG, out_dir=out, market=market)
        return place_below(out)

    def test_same_market_is_replayed(self, run: Path, market: Path, tmp_path: Path) -> None:
        """A run on a market file is replayed from a copy of that file, whatever the copy's name and folder."""
        elsewhere = tmp_path / "copy.csv"
        elsewhere.write_bytes(market.read_bytes())
        report = verify_run(run, replay=True, market=elsewhere)
        assert (report.ok, report.replayed) == (True, True)

    def test_missing_market_is_asked_for(self, run: Path) -> None:
        """A run on a market file without that file is no report, but an error that names run, flag and hash."""
        sha256 = manifest_of(run)["market"]["sha256"]
        with pytest.raises(ConfigError) as caught:
            verify_run(run, market="")
        assert isinstance(caught.value, InputError)
        needed = f"not given, and {run} cannot be executed again without"
        assert str(caught.value) == f"market: {needed} (add --market FILE of sha256 {sha256})"
        assert verify_run(run, replay=False).ok

    @pytest.mark.parametrize("change", [lambda text: text + text[-40:], lambda text: text.replace(",40\n", ",41\n", 1)])
    def test_other_market_is_refused(self, run: Path, market: Path, change: Callable[[str], str]) -> None:
        """A market file of another hash is no report, but an error with the whole path and the hash of each file."""
        text = market.read_text()
        market.write_text(change(text))
        assert market.read_text() != text
        seen, used = sha256_hex(market.read_bytes()), manifest_of(run)["market"]["sha256"]
        with pytest.raises(MarketDataError) as caught:
            verify_run(run, market=market)
        assert str(caught.value) == f"{market}: has sha256 {seen}, and {run} used {used}"

    @pytest.mark.parametrize(
        ("name", "why"), [("none.csv", "No such file"), (".", "not a regular file"), ("a\0b", "embedded null byte")]
    )
    def test_unreadable_market_is_refused(self, run: Path, tmp_path: Path, name: str, why: str) -> None:
        """A market file that cannot be read is an error with its path and the reason."""
        with pytest.raises(MarketDataError, match=f"cannot be read: {why}"):
            verify_run(run, market=tmp_path / name)

    def test_missing_extra_is_no_finding(self, run: Path, market: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A package that is missing on this machine says nothing of the run, and is raised."""

        def missing(*_: object, **__: object) -> None:
            raise MissingExtraError("a Feather file", "arrow")

        monkeypatch.setattr("c2lib.app.verify.opened_market", missing)
        with pytest.raises(MissingExtraError):
            verify_run(run, market=market)

    def test_exchanged_market_is_refused(self, run: Path, market: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A market file that is exchanged after its hash was taken is an error, whatever the replay would give."""
        other = market_csv(market.with_name("other.csv"), bars=81)
        monkeypatch.setattr("c2lib.app.verify.opened_market", lambda config, _: opened_market(config, other))
        with pytest.raises(OutputError, match=r"day\.csv was altered while it was read"):
            verify_run(run, market=market)

    def test_forged_tick_is_a_finding(self, run: Path, market: Path) -> None:
        """A config that the very market file of the run cannot be read with is a finding on the run."""
        record = Record(content_of(run))
        config = record.manifest["config"]
        config["market"]["tick_size"] = "7"
        digest = record.manifest["config_sha256"] = canonical_sha256(config)
        record.lines[Artifact.EVENTS][0]["payload"]["config_sha256"] = digest
        for name, data in record.content().items():
            (run / name).write_bytes(data)
        (finding,) = verify_run(run, market=market).findings
        assert finding.code is FindingCode.REPLAY_IMPOSSIBLE
        assert "day.csv, line 2: " in finding.seen

    def test_unneeded_market_is_ignored(self, published: Path, market: Path) -> None:
        """A market file that is given for a run on a synthetic market is ignored."""
        assert verify_run(published, replay=True, market=market).ok


class TestStrategyFiles:
    """A run with a strategy of one's own is replayed with the file that the caller names, by its hash."""

    @pytest.fixture
    def strategy(self, tmp_path: Path) -> Path:
        """Return a strategy file."""
        path = tmp_path / "mine.py"
        path.write_text(BUYER)
        return path

    @pytest.fixture
    def run(self, out: Path, strategy: Path) -> Path:
        """Return a run with the strategy file."""
        config = CONFIG.model_copy(update={"strategy_id": "mine", "strategy_allowlist": ("mine",)})
        run_dryrun(config, out_dir=out, strategy=strategy_from_file(f"{strategy}:Buyer"))
        return place_below(out)

    def test_same_strategy_is_replayed(self, run: Path, strategy: Path) -> None:
        """A run on a strategy file is replayed with the same file."""
        report = verify_run(run, replay=True, strategy=strategy_from_file(f"{strategy}:Buyer"))
        assert (report.ok, report.replayed) == (True, True)

    def test_missing_strategy_is_asked_for(self, run: Path) -> None:
        """A run on a strategy file without that file is no report, but an error with the flags, class and hash."""
        sha256 = manifest_of(run)["strategy"]["sha256"]
        with pytest.raises(ConfigError) as caught:
            verify_run(run)
        file = f"--strategy-file FILE.py:Buyer of sha256 {sha256}"
        assert str(caught.value).startswith(f"strategy: not given, and {run} cannot be executed again without (add ")
        assert str(caught.value).endswith(f"{file}, or --run-kept-strategy for the one that the run keeps)")

    def test_all_missing_files_are_named(self, tmp_path: Path, strategy: Path) -> None:
        """A run that needs a market file and a strategy file names both at once."""
        config = CONFIG.model_copy(update={"strategy_id": "mine", "strategy_allowlist": ("mine",)})
        market = market_csv(tmp_path / "day.csv")
        run_dryrun(config, out_dir=tmp_path / "both", market=market, strategy=f"{strategy}:Buyer")
        with pytest.raises(ConfigError, match=r"^market and strategy: .*add --market FILE.*; add --strategy-file FILE"):
            verify_run(place_below(tmp_path / "both"))

    def test_manifest_runs_no_code(self, run: Path, tmp_path: Path) -> None:
        """With another file than the run's there is an error with both hashes, and no code runs."""
        trace = tmp_path / "trace"
        other = tmp_path / "other.py"
        other.write_text(f"open({str(trace)!r}, 'w')\n{BUYER}")
        seen, used = sha256_hex(other.read_bytes()), manifest_of(run)["strategy"]["sha256"]
        with pytest.raises(StrategyLoadError, match=f"handed over has sha256 {seen}, and {run} used {used}$"):
            verify_run(run, strategy=f"{other}:Buyer")
        assert not trace.exists()

    def test_other_class_is_refused(self, out: Path, tmp_path: Path) -> None:
        """Another class of the same file is an error with both names, and no difference of the run."""
        file = tmp_path / "two.py"
        file.write_text(f"{BUYER}\nclass Other(Buyer):\n    pass\n")
        config = CONFIG.model_copy(update={"strategy_id": "mine", "strategy_allowlist": ("mine",)})
        run_dryrun(config, out_dir=out, strategy=f"{file}:Buyer")
        with pytest.raises(StrategyLoadError, match=r"handed over has class_name Other, and .* used Buyer$"):
            verify_run(place_below(out), strategy=f"{file}:Other")

    def test_forged_origin_runs_nothing(self, run: Path) -> None:
        """A manifest that calls a strategy file built-in has findings, and the file still has to be given."""
        forge(run, lambda manifest: manifest["strategy"].update(origin="built-in", sha256=None))
        assert [finding.code for finding in verify_run(run, replay=False).findings] == [FindingCode.WRONG_RUN] * 2
        with pytest.raises(ConfigError, match=r"^strategy: not given"):
            verify_run(run)
