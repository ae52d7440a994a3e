from c2lib.evidence.plots import event_total, phase_bands, status_bands
from c2lib.witness.audit import PhaseMove
from c2lib.witness.run import RunSummary
from tests.evidence.runs import clean_summary


def test_phases_lie_end_to_end_over_the_events() -> None:
    """A clean run goes through five phases, each from where it was entered to where the next one was."""
    summary = clean_summary()
    assert event_total(summary) == 18
    assert [(band.label, band.start, band.end) for band in phase_bands(summary, 18)] == [
        ("INIT", 0, 0),
        ("PREFLIGHT_OK", 0, 1),
        ("DRYRUN_ACTIVE", 1, 17),
        ("STOPPING", 17, 18),
        ("STOPPED", 18, 18),
    ]
    assert phase_bands(summary, 18)[2].note == "FIRST_STEP at ts_sim 1"


def test_statuses_lie_end_to_end_as_well() -> None:
    """Each snapshot opens a band that the next one closes."""
    bands = status_bands(clean_summary(), 18)
    assert [(band.label, band.start, band.end) for band in bands] == [
        ("INIT", 0, 1),
        ("RUNNING", 1, 18),
        ("COMPLETED", 18, 18),
    ]


def test_a_run_without_moves_has_no_bands() -> None:
    """Nothing recorded is nothing drawn; the events counted still give the width."""
    summary = RunSummary(event_counts={"STRATEGY_TICK": 4})
    assert (event_total(summary), phase_bands(summary, 4), status_bands(summary, 4)) == (4, [], [])
    assert event_total(RunSummary()) == 0


def test_a_move_told_twice_is_drawn_twice() -> None:
    """A sink that died while closing leaves the last move twice: both are shown."""
    move = PhaseMove("STOPPING", "STOPPED", "CLOSED", 5, "")
    again = PhaseMove("STOPPING", "ERROR_REQUIRES_OPERATOR", "SINK_FAILED", 5, "")
    labels = [band.label for band in phase_bands(RunSummary(phases=(move, again)), 5)]
    assert labels == ["STOPPING", "STOPPED", "ERROR_REQUIRES_OPERATOR"]
