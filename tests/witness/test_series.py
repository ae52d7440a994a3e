"""The series that pictures are drawn from: whole when short, bounded when long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib.witness import series
from c2lib.witness.series import Thinned


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), max_size=400), st.integers(16, 64))
def test_thinned_points_keep_outline(points: list[tuple[int, int]], most: int) -> None:
    """A thinned series keeps the first point, the last and all extremes, in order and within its bound."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(series, "MAX_POINTS", most)
        thinned = Thinned(1, 2)
        for at, point in enumerate(points):
            thinned.add((at, *point))
        kept = thinned.points()
    assert thinned.total == len(points)
    assert kept == sorted(kept)
    assert set(kept) <= {(at, *point) for at, point in enumerate(points)}
    assert len(kept) <= most
    if len(points) <= most:
        assert len(kept) == len(points)
    if points:
        assert (kept[0], kept[-1]) == ((0, *points[0]), (len(points) - 1, *points[-1]))
        for column in (0, 1):
            whole, left = [point[column] for point in points], [point[column + 1] for point in kept]
            assert (min(left), max(left)) == (min(whole), max(whole))


def test_buckets_keep_extremes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thinned series keeps a spike of one bar among thousands, wherever it stands."""
    monkeypatch.setattr(series, "MAX_POINTS", 64)
    for spike in range(0, 3000, 37):
        thinned = Thinned(0)
        for at in range(3000):
            thinned.add((1 if at == spike else 0, at))
        assert (1, spike) in thinned.points()
