"""Only a regular file is opened, and nothing is waited for."""

import errno
import os
from pathlib import Path

import pytest

from c2lib.core.regular_file import NOT_REGULAR, open_regular


def test_regular_file_is_opened(tmp_path: Path) -> None:
    """A regular file is opened for reading, by its path or by its name in an open folder."""
    (tmp_path / "f").write_text("text")
    folder = os.open(tmp_path, os.O_RDONLY)
    for descriptor in (open_regular(tmp_path / "f"), open_regular("f", folder)):
        assert os.read(descriptor, 9) == b"text"
        os.close(descriptor)
    os.close(folder)


def test_other_kinds_are_refused(tmp_path: Path) -> None:
    """A folder and a FIFO without a writer are refused at once, each by an ``errno`` of its own."""
    os.mkfifo(tmp_path / "fifo")
    for path, expected in ((tmp_path, errno.EISDIR), (tmp_path / "fifo", errno.EINVAL)):
        with pytest.raises(OSError, match="not a regular file") as caught:
            open_regular(path)
        assert caught.value.errno == expected
        assert expected in NOT_REGULAR


def test_links_are_followed_on_request(tmp_path: Path) -> None:
    """A symlink is opened where the caller says so, and refused else."""
    (tmp_path / "f").write_text("")
    (tmp_path / "link").symlink_to("f")
    with pytest.raises(OSError, match="symbolic") as caught:
        open_regular(tmp_path / "link")
    assert caught.value.errno == errno.ELOOP
    os.close(open_regular(tmp_path / "link", follow=True))
