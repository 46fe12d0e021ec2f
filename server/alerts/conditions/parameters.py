"""Parameters of conditions: their units, and the check of what a person writes. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from server.formats import duration, thousands

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
#: Unit of a parameter → the units in which a person may write it, and their factors.
UNITS: dict[str, dict[str, float]] = {
    "%": {"%": 1.0},
    "s": {"ms": 0.001, "s": 1.0, "min": MINUTE, "h": HOUR, "d": DAY},
    "B": {"B": 1.0, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12},
    "": {"": 1.0},
}
#: Other ways to write a unit.
ALIASES = {"m": "min"}
MAX_VALUE_CHARS = 40
MAX_DAYS_S = 30 * DAY
_WRITTEN = re.compile(r"\s*([+-]?[0-9]+(?:\.[0-9]+)?)\s*([A-Za-z%]*)\s*\Z")


class BadRule(ValueError):
    """A rule that cannot be: where, what is wrong, and what to write instead."""

    def __init__(self, place: str, problem: str, fix: str) -> None:
        super().__init__(f"{place}: {problem}. {fix}")
        self.place, self.problem, self.fix = place, problem, fix

    @property
    def field(self) -> str:
        """The field that is wrong; empty where it is the rule."""
        return self.place.rpartition("].")[2] if "]." in self.place else ""


@dataclass(frozen=True)
class Parameter:
    """A number of a condition. `unit`: %, s, B, or empty for a count. Bounds are included."""

    name: str
    unit: str
    default: float
    help: str
    minimum: float = 0.0
    maximum: float = 1e12

    def parse(self, value: Any, place: str) -> float:
        """Return a value in the unit. Raises BadRule.

        A number is in the unit; a text is "5 %", "10 min", "20 GB", "50".
        """
        number = self._number(value, place)
        if not isfinite(number):
            raise BadRule(place, f"{value!r} is no number that can be compared", self._fix())
        if not self.minimum <= number <= self.maximum:
            problem = f"{self.format(number)} is out of bounds"
            bounds = f"{self.format(self.minimum)} to {self.format(self.maximum)}"
            raise BadRule(place, problem, f"Write a value from {bounds}.")
        return number

    def _number(self, value: Any, place: str) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                return float(value)
            except OverflowError:
                return float("inf")
        shown = repr(value)[:MAX_VALUE_CHARS]
        match = isinstance(value, str) and len(value) <= MAX_VALUE_CHARS and _WRITTEN.match(value)
        if not match:
            raise BadRule(place, f"{shown} is no number with a unit", self._fix())
        units = UNITS[self.unit]
        unit = ALIASES.get(match[2], match[2]) or ("" if self.unit == "" else None)
        if unit not in units:
            problem = f"the unit of {shown} does not fit" if match[2] else f"{shown} has no unit"
            raise BadRule(place, problem, self._fix())
        return float(match[1]) * units[unit]

    def format(self, value: float) -> str:
        """Return a value as a person writes it: "10 min", "5 %", "20000"."""
        if self.unit != "s":
            return f"{value:.12g} {self.unit}".rstrip()
        for unit, factor in (("d", DAY), ("h", HOUR), ("min", MINUTE)):
            if value >= factor and value % factor == 0:
                return f"{value / factor:.12g} {unit}"
        return f"{value:.12g} s"

    def describe(self, value: float) -> str:
        """Return a value that was read, in three digits or whole: "12 min", "4.21 %", "12,161"."""
        if self.unit == "s":
            return duration(value)
        number = thousands(round(value)) if abs(value) >= 100 else f"{float(f'{value:.3g}'):.12g}"  # noqa: PLR2004 (three digits)
        return f"{number} {self.unit}".rstrip()

    def _fix(self) -> str:
        units = " or ".join(unit for unit in UNITS[self.unit] if unit)
        example = self.format(self.default)
        return f"Write {f'it in {units}' if units else 'a plain number'}, such as {example!r}."


def parse_parameters(
    parameters: Mapping[str, Parameter], written: Mapping[str, Any], place: str
) -> dict[str, float]:
    """Return the values of all parameters: those written, else the defaults. Raises BadRule."""
    for name in written:
        if name not in parameters:
            known = ", ".join(sorted(parameters))
            raise BadRule(f"{place}.{str(name)[:MAX_VALUE_CHARS]}", "there is no such field",
                          f"Fields are: {known}.")  # fmt: skip
    return {
        name: parameter.parse(written[name], f"{place}.{name}")
        if name in written
        else parameter.default
        for name, parameter in parameters.items()
    }
