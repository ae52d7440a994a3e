"""The market and strategy files of a replay are given by the caller and never taken from the manifest."""

from pathlib import Path

import pytest

from c2lib.app.runner import run_dryrun
from c2lib.app.strategy_files import strategy_from_file
from c2lib.app.verify import verify_run
from c2lib.witness.findings import FindingCode
from tests.app.runs import BUYER, codes, forge, manifest_of, market_csv, place_below
from tests.app.sessions import CONFIG


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

    def test_missing_market_blocks_replay(self, run: Path) -> None:
        """A run on a market file without that file is REPLAY_IMPOSSIBLE, and the finding names the file's hash."""
        report = verify_run(run, replay=True)
        (finding,) = report.findings
        assert finding.code is FindingCode.REPLAY_IMPOSSIBLE
        assert str(manifest_of(run)["market"]["sha256"]) in finding.expected
        assert not report.replayed

    def test_other_market_is_refused(self, run: Path, tmp_path: Path) -> None:
        """A market file with one more bar is REPLAY_IMPOSSIBLE, and the finding names the hash of each file."""
        (finding,) = verify_run(run, replay=True, market=market_csv(tmp_path / "other.csv", bars=81)).findings
        assert finding.code is FindingCode.REPLAY_IMPOSSIBLE
        assert finding.seen.startswith("other.csv of sha256 ")
        assert finding.expected == f"a market file of sha256 {manifest_of(run)['market']['sha256']}"

    def test_altered_market_is_refused(self, run: Path, market: Path) -> None:
        """A market file with one changed digit is REPLAY_IMPOSSIBLE, and the finding names the file."""
        text = market.read_text()
        market.write_text(text.replace(",40\n", ",41\n", 1))
        assert market.read_text() != text
        (finding,) = verify_run(run, replay=True, market=market).findings
        assert (finding.code, finding.seen.split()[0]) == (FindingCode.REPLAY_IMPOSSIBLE, "day.csv")

    @pytest.mark.parametrize("content", [None, "no,market\n"])
    def test_unusable_market_is_a_finding(self, run: Path, tmp_path: Path, content: str | None) -> None:
        """A market file that is missing or malformed is a REPLAY_IMPOSSIBLE finding that names the file."""
        path = tmp_path / "broken.csv"
        if content is not None:
            path.write_text(content)
        (finding,) = verify_run(run, replay=True, market=path).findings
        assert finding.code is FindingCode.REPLAY_IMPOSSIBLE
        assert "broken.csv" in finding.seen

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

    def test_manifest_runs_no_code(self, run: Path, tmp_path: Path) -> None:
        """Without the strategy file, or with another file, the replay is impossible and no code runs."""
        assert codes(run) == [FindingCode.REPLAY_IMPOSSIBLE]
        trace = tmp_path / "trace"
        other = tmp_path / "other.py"
        other.write_text(f"open({str(trace)!r}, 'w')\n{BUYER}")
        assert codes(run, strategy=strategy_from_file(f"{other}:Buyer")) == [FindingCode.REPLAY_IMPOSSIBLE]
        assert not trace.exists()

    def test_forged_origin_runs_nothing(self, run: Path) -> None:
        """A manifest that calls a strategy file built-in is REPLAY_DIVERGED."""
        forge(run, lambda manifest: manifest["strategy"].update(origin="built-in", sha256=None))
        assert codes(run) == [*[FindingCode.WRONG_RUN] * 2, FindingCode.REPLAY_IMPOSSIBLE]
