"""``kerasnets COMMAND``: reads the command line, runs the command, words the errors."""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import os
import re
import sys
import tempfile
from collections.abc import Sequence

import tyro

import kerasnets
from kerasnets.cli.commands import COMMANDS, INSTANT, Command
from kerasnets.errors import UserError, unknown
from kerasnets.lazy import prefer_onednn


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
        command = parse(arguments)
        if not isinstance(command, INSTANT) and getattr(command, "needs_tensorflow", True):
            _load_tensorflow()
        command.run()
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


def _load_tensorflow() -> None:
    """Imports TensorFlow without its start-up notes, which tell a user nothing.

    They are written before its log level counts, so they are caught at the file descriptor; they
    are shown where the import fails.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    prefer_onednn()
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            import tensorflow

            # The notes on missing GPUs come with the first look at the devices.
            tensorflow.config.list_physical_devices()
        except BaseException:
            notes.seek(0)
            os.write(stderr, notes.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


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
    command = COMMANDS[name]
    default = command.defaults(rest) if hasattr(command, "defaults") else None
    shown = io.StringIO()
    try:
        with contextlib.redirect_stderr(shown):
            return tyro.cli(command, prog=f"kerasnets {name}", args=rest, default=default)
    except SystemExit as stop:
        if stop.code == 0:
            raise
        message = _reworded(one_line(shown.getvalue()))
        raise UserError(f"{message} (see kerasnets {name} --help)") from None


def _help() -> str:
    lines = [
        "usage: kerasnets COMMAND ...",
        "",
        "The classic convolutional networks as verified Keras 3 models.",
        "",
    ]
    for name, command in COMMANDS.items():
        lines.append(f"  {name:10}{command.__doc__.partition(chr(10))[0]}")
    return "\n".join([*lines, "", "kerasnets COMMAND --help tells a command's flags."])


def one_line(box: str) -> str:
    """What a framed message of tyro says, without the frame and the hints below its rule."""
    lines = [line.strip("│ ") for line in box.splitlines()[1:]]
    # Where the terminal has no line-drawing characters, a rule stands below the title too.
    below_title = itertools.dropwhile(_is_rule, lines)
    message = itertools.takewhile(lambda line: not _is_rule(line), below_title)
    return " ".join(" ".join(message).split())


def _reworded(message: str) -> str:
    """tyro's message without what only its programmers know."""
    # The name of a group of flags, such as config.recipe, which nobody has typed.
    message = re.sub(r"^Error parsing (?!-)[\w.]+: ", "", message)
    return message.replace("Failed to parse key-value pairs!", "expected pairs, NAME VALUE ...")


def _is_rule(line: str) -> bool:
    return re.fullmatch("[─╰╯-]*", line) is not None


def _fail(message: str) -> None:
    print(f"kerasnets: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
