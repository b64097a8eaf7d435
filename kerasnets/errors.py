"""The errors a user can put right, and how they are worded."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable


class UserError(ValueError):
    """Something the user can put right.

    The message names the thing, what was found and what was expected. The command line prints it
    as one line and exits with code 2.
    """


# What is shown of a value that was found: it may be of any size, and nested to any depth.
_shown = reprlib.Repr()
_shown.maxstring = _shown.maxother = _shown.maxlong = 200
_shown.maxlist = _shown.maxtuple = _shown.maxdict = 20


def shown(value: object) -> str:
    """A value as an error shows it: its `repr`, the middle of what is long left out."""
    return _shown.repr(value)


def unknown(kind: str, given: object, known: Iterable[str]) -> UserError:
    """An error for a name that is not known, with the closest known ones.

    Args:
        kind: What the name stands for, for example ``"network"``.
        given: The name that was given.
        known: Every name that would have worked.
    """
    known = sorted(known)
    lower = str(given).lower()
    by_lower = {name.lower(): name for name in known}
    longer = [name for name in by_lower if name.startswith(lower)]
    close = [*longer, *difflib.get_close_matches(lower, by_lower, n=3, cutoff=0.5)]
    close = [by_lower[name] for name in dict.fromkeys(close)][:3]
    if close:
        hint = f"The closest: {', '.join(close)}"
    elif len(known) <= 20:
        hint = f"Known: {', '.join(known)}"
    else:
        hint = f"There are {len(known)}, among them {', '.join(known[:5])}"
    return UserError(f"Unknown {kind} {given!r}. {hint}.")
