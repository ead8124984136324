"""What all figures share: size, colours, words."""

from collections.abc import Iterable

from matplotlib.axes import Axes

from ledger.states import State

WIDTH_IN = 9.0
INK = "#000000"
"""Becomes the reader's own text colour in SVG."""
GREY = "#888888"
GOOD, BAD, UNSURE = "#009E73", "#D55E00", "#E69F00"
VERDICT_COLOUR = {"pass": GOOD, "fail": BAD, "inconclusive": UNSURE}
LINES = ("#3391CE", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STATE_COLOUR = {
    State.CREATED: "#F0E442",
    State.PAYING: "#E69F00",
    State.PAID: "#56B4E9",
    State.SUBMITTED: "#0072B2",
    State.RECHARGING: "#009E73",
    State.DELAYED: "#D55E00",
    State.REFUNDING: "#CC79A7",
    State.HELD: "#777777",
    State.MANUAL: "#AAAAAA",
    State.UNKNOWN: "#CCCCCC",
}
"""Okabe and Ito's palette, told apart by all kinds of colour vision; yellow always has an outline."""


def pick(language: str, en: str, zh: str) -> str:
    """The words in the language of this drawing."""
    return zh if language == "zh" else en


def state_words(state: str, language: str) -> str:
    return State(state).zh if language == "zh" else state


def quiet(ax: Axes, sides: Iterable[str] = ("left", "bottom")) -> None:
    """Takes spines and tick marks away."""
    for side in sides:
        ax.spines[side].set_visible(False)
    ax.tick_params(length=0)


def short_s(seconds: float) -> str:
    """A duration as a tick label: 30 s, 2 min, 1 h."""
    if seconds >= 3600 and seconds % 3600 == 0:
        return f"{seconds / 3600:g} h"
    if seconds >= 60 and seconds % 60 == 0:
        return f"{seconds / 60:g} min"
    return f"{seconds:g} s"
