"""``python -m c2lib`` and the command ``c2lib``: the command line, of which an interrupt at any moment is one line."""

import sys


def start() -> int:
    """Run the command line and return its exit code."""
    try:
        # here, since importing it takes long enough to be interrupted
        from c2lib.cli.main import main

        return main()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("c2lib: interrupted\n")
        return 130
    finally:
        # what is left is the end of Python itself, which would show a traceback
        import signal

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(start())
