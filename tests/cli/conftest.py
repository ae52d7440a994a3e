"""The fixtures of the app's tests, for those of the command line too."""

from tests.app.conftest import _no_checkout_root, _published, command, out, published, without

__all__ = ["_no_checkout_root", "_published", "command", "out", "published", "without"]
