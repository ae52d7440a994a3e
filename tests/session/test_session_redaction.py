"""The secret detectors are called where free text enters, and nowhere else."""

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


def test_step_loop_asks_no_detector(asked: list[str]) -> None:
    """The step loop calls no secret detector for bars, ticks, orders and fills without free text."""
    record = Record()
    session = open_session(own_config(), record, strategy=answering(BUSY))
    session.step()
    asked.clear()
    assert session.run_n_steps(11) == 11
    assert asked == []
    assert session.stop().fills >= 2
    assert len(record.payloads("STRATEGY_TICK")) == 12


def test_detector_sees_only_tag(asked: list[str]) -> None:
    """In a session with one tagged order, the step loop calls the secret detectors for the tag alone."""
    tagged = {3: [BUSY[3][0]._replace(tag="dip at the open")]}
    session = open_session(own_config(), strategy=answering(tagged))
    session.step()
    asked.clear()
    session.run_n_steps(11)
    assert set(asked) == {"dip at the open"}
