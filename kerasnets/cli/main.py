"""``kerasnets COMMAND``: reads the command line, runs the command, words the errors."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

import kerasnets
from kerasnets.cli.commands import COMMANDS, Command, load
from kerasnets.errors import UserError, unknown


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script; exits with 0, with 2 for what the user can put right, with 130 on Ctrl-C.

    A file or folder that the system does not let it read or write is among the former.

    Args:
        arguments: Of the command line; those of the process by default.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("kerasnets")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    # Keras' export gives the root logger a handler, which would show every line twice.
    log.propagate = False
    try:
        _run(sys.argv[1:] if arguments is None else list(arguments))
    except UserError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        print("kerasnets: stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of a pipe, `head` say, has gone; there is nobody left to write to.
        _discard_output()
    except OSError as error:
        _fail(_words(error))


def _run(arguments: list[str]) -> None:
    try:
        parse(arguments).run()
    except SystemExit:
        # After --help; what cannot be written is told here, not when the process ends.
        sys.stdout.flush()
        raise
    sys.stdout.flush()


def _discard_output() -> None:
    """Whatever is left to write to the standard output goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _words(error: OSError) -> str:
    """``FILE: reason``, of a file that is full, protected, gone..."""
    reason, name = error.strerror or str(error), error.filename
    if name is None:
        # What writes to an open file does not name it; the one that is always open is tried again.
        try:
            print(flush=True)
        except OSError:
            _discard_output()
            name = "standard output"
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    return reason if name is None else f"{name}: {reason}"


def parse(arguments: list[str]) -> Command:
    """The command that a command line asks for.

    Raises:
        UserError: When the line cannot be understood.
        SystemExit: After ``--help``, with code 0.
    """
    name, *rest = arguments or ["--help"]
    if name in ("-h", "--help"):
        print(_help())
        raise SystemExit(0)
    if name == "--version":
        print(kerasnets.__version__)
        raise SystemExit(0)
    if name not in COMMANDS:
        raise unknown("command", name, COMMANDS)
    # It takes longer to load than to say that there is no such command.
    from kerasnets.cli.flags import read_flags

    return read_flags(load(name), f"kerasnets {name}", rest)


def _help() -> str:
    lines = [
        "usage: kerasnets COMMAND ...",
        "",
        "The classic convolutional networks as verified Keras 3 models.",
        "",
    ]
    width = max(map(len, COMMANDS)) + 1
    lines += [f"  {name:{width}}{summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join([*lines, "", "kerasnets COMMAND --help lists the flags of a command."])


def _fail(message: str) -> None:
    print(f"kerasnets: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
