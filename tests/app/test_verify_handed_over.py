"""What a replay needs is handed over by the caller, and never taken from the manifest."""

from pathlib import Path

import pytest

from c2lib.app.runner import run_dryrun
from c2lib.app.strategy_files import strategy_from_file
from c2lib.app.verify import verify_run
from c2lib.witness.findings import FindingCode
from tests.app.runs import BUYER, codes, forge, manifest_of, market_csv, place_below
from tests.app.sessions import CONFIG


class TestMarketFiles:
    """A run on a market file is replayed from the file that the caller hands over, by its hash."""

    @pytest.fixture
    def market(self, tmp_path: Path) -> Path:
        """Return a market file."""
        return market_csv(tmp_path / "day.csv")

    @pytest.fixture
    def run(self, out: Path, market: Path) -> Path:
        """Return a run on the market file."""
        run_dryrun(CONFIG, out_dir=out, market=market)
        return place_below(out)

    def test_the_same_file_replays_it(self, run: Path, market: Path, tmp_path: Path) -> None:
        """Wherever it lies, whatever its name."""
        elsewhere = tmp_path / "copy.csv"
        elsewhere.write_bytes(market.read_bytes())
        report = verify_run(run, replay=True, market=elsewhere)
        assert (report.ok, report.replayed) == (True, True)

    def test_without_the_file_the_replay_is_impossible(self, run: Path) -> None:
        """The finding names the hash of the file that is asked for."""
        report = verify_run(run, replay=True)
        (finding,) = report.findings
        assert finding.code is FindingCode.REPLAY_IMPOSSIBLE
        assert str(manifest_of(run)["market"]["sha256"]) in finding.expected
        assert not report.replayed

    def test_another_file_is_refused(self, run: Path, tmp_path: Path) -> None:
        """One bar more is another file."""
        (finding,) = verify_run(run, replay=True, market=market_csv(tmp_path / "other.csv", bars=81)).findings
        assert finding.code is FindingCode.REPLAY_IMPOSSIBLE
        assert finding.seen.startswith("other.csv of sha256 ")
        assert finding.expected == f"a market file of sha256 {manifest_of(run)['market']['sha256']}"

    def test_one_digit_of_the_file_is_found(self, run: Path, market: Path) -> None:
        """A volume, which no rule of the file's form holds: the finding names the file."""
        text = market.read_text()
        market.write_text(text.replace(",40\n", ",41\n", 1))
        assert market.read_text() != text
        (finding,) = verify_run(run, replay=True, market=market).findings
        assert (finding.code, finding.seen.split()[0]) == (FindingCode.REPLAY_IMPOSSIBLE, "day.csv")

    @pytest.mark.parametrize("content", [None, "no,market\n"])
    def test_a_file_that_cannot_be_used_is_a_finding(self, run: Path, tmp_path: Path, content: str | None) -> None:
        """A gate does not pass for want of its tool, and the message names the file."""
        path = tmp_path / "broken.csv"
        if content is not None:
            path.write_text(content)
        (finding,) = verify_run(run, replay=True, market=path).findings
        assert finding.code is FindingCode.REPLAY_IMPOSSIBLE
        assert "broken.csv" in finding.seen

    def test_a_file_for_a_synthetic_run_is_not_needed(self, published: Path, market: Path) -> None:
        """It is left aside, so that one call can check runs of both kinds."""
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

    def test_the_same_file_replays_it(self, run: Path, strategy: Path) -> None:
        """The replay executes the file that the caller named."""
        report = verify_run(run, replay=True, strategy=strategy_from_file(f"{strategy}:Buyer"))
        assert (report.ok, report.replayed) == (True, True)

    def test_a_manifest_makes_no_code_run(self, run: Path, tmp_path: Path) -> None:
        """Without the file, or with another, the replay is impossible and the code is not executed."""
        assert codes(run) == [FindingCode.REPLAY_IMPOSSIBLE]
        trace = tmp_path / "trace"
        other = tmp_path / "other.py"
        other.write_text(f"open({str(trace)!r}, 'w')\n{BUYER}")
        assert codes(run, strategy=strategy_from_file(f"{other}:Buyer")) == [FindingCode.REPLAY_IMPOSSIBLE]
        assert not trace.exists()

    def test_a_forged_origin_runs_nothing(self, run: Path) -> None:
        """A manifest that calls the strategy built in leads to none."""
        forge(run, lambda manifest: manifest["strategy"].update(origin="built-in", sha256=None))
        assert codes(run) == [*[FindingCode.WRONG_RUN] * 2, FindingCode.REPLAY_IMPOSSIBLE]
