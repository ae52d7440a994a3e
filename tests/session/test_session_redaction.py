"""The detectors are asked where free text enters, and nowhere else."""

from typing import Any

import pytest

from c2lib.core import redaction as secrets
from tests.session.harness import BUSY, Record, answering, open_session, own_config


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the texts that the detectors are asked about from now on."""
    texts: list[str] = []
    real = secrets._candidates

    def counting(text: str) -> Any:
        texts.append(text)
        return real(text)

    monkeypatch.setattr(secrets, "_candidates", counting)
    return texts


def test_the_step_loop_asks_no_detector_for_data_without_free_text(asked: list[str]) -> None:
    """Bars, ticks, orders and fills of a busy session: 0 calls between the first step and the last."""
    record = Record()
    session = open_session(own_config(), record, strategy=answering(BUSY))
    session.step()
    asked.clear()
    assert session.run_n_steps(11) == 11
    assert asked == []
    assert session.stop().fills >= 2
    assert len(record.payloads("STRATEGY_TICK")) == 12


def test_a_tag_is_asked_about_once_where_it_enters(asked: list[str]) -> None:
    """The counter counts: each pass of the one tag is seen."""
    tagged = {3: [BUSY[3][0]._replace(tag="dip at the open")]}
    session = open_session(own_config(), strategy=answering(tagged))
    session.step()
    asked.clear()
    session.run_n_steps(11)
    assert set(asked) == {"dip at the open"}
