"""How much a question is about: comparators and thresholds with their units."""

import re
from dataclasses import dataclass
from decimal import Decimal

_scale = {
    "k": 3, "thousand": 3, "m": 6, "mn": 6, "million": 6, "b": 9, "bn": 9, "billion": 9, "t": 12, "trillion": 12,
}  # fmt: skip
_number = (
    r"(?P<{0}sign>(?<![\w)])-)?(?P<{0}usd>[$€£])?\s?(?P<{0}number>\d[\d,]*(?:\.\d+)?|\.\d+)(?!\d)"
    r"(?:\s?(?P<{0}scale>k|mn|m|bn|b|t|thousand|million|billion|trillion)(?![a-z]))?"
    r"(?P<{0}plus>\+)?(?:\s?(?P<{0}unit>%|percent\b|bps?\b|°\s?[cf]?|degrees?\b))?(?![a-z])"
)
_before = (
    r"(?P<op>at least|no less than|at most|no more than|more than|greater than|higher than|less than|lower than|"
    r"fewer than|above|over|exceeds?|below|under|exactly|between|reach(?:es)?|hits?(?: \((?:high|low)\))?|"
    r"dips? to|falls? to|drops? to|≥|≤|>=|<=|>|<)?\s*"
)
_after = (
    r"(?P<plus>\+|\s*(?:or|and) (?:more|higher|above|greater|over)|\s*(?:or|and) (?:less|lower|below|fewer|under))?"
)
_bound = re.compile(
    _before + _number.format("a") + rf"(?:(?P<join>\s?-\s?|\s(?:and|to)\s){_number.format('b')})?" + _after
)
_at_least = {"at least", "no less than", "reach", "reaches", "hit", "hits", "hit (high)", "hits (high)", "≥", ">="}
_at_most = {"at most", "no more than", "dip to", "dips to", "fall to", "falls to", "drop to", "drops to", "≤", "<=",
            "hit (low)", "hits (low)"}  # fmt: skip
_more = {"more than", "greater than", "higher than", "above", "over", "exceed", "exceeds", ">"}
_less = {"less than", "lower than", "fewer than", "below", "under", "<"}
_fifty_fifty = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class Bound:
    """An interval of values; None is open-ended. `*_in` says whether the end itself counts."""

    low: Decimal | None
    high: Decimal | None
    low_in: bool
    high_in: bool
    unit: str

    @property
    def words(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        if self.low is not None and self.low == self.high:
            return f"exactly {self.low:f}{unit}"
        parts = []
        if self.low is not None:
            parts.append(f"{'at least' if self.low_in else 'more than'} {self.low:f}")
        if self.high is not None:
            parts.append(f"{'at most' if self.high_in else 'less than'} {self.high:f}")
        return " and ".join(parts) + unit

    def holds(self, other: "Bound") -> bool:
        """Say whether every value of the other lies in this one."""
        low = self.low is None or (
            other.low is not None and (other.low > self.low or (other.low == self.low and self.low_in >= other.low_in))
        )
        high = self.high is None or (
            other.high is not None
            and (other.high < self.high or (other.high == self.high and self.high_in >= other.high_in))
        )
        return low and high

    def is_apart_from(self, other: "Bound") -> bool:
        """Say whether no value lies in both."""
        for lower, upper in ((self, other), (other, self)):
            if lower.high is not None and upper.low is not None:
                if lower.high < upper.low:
                    return True
                if lower.high == upper.low and not (lower.high_in and upper.low_in):
                    return True
        return False

    def is_opposite_of(self, other: "Bound") -> bool:
        """Say whether exactly one of the two holds for any value: "above 3" and "at most 3"."""
        for lower, upper in ((self, other), (other, self)):
            if lower.low is None and upper.high is None and lower.high is not None and lower.high == upper.low:
                return lower.high_in != upper.low_in
        return False


def read_bounds(text: str) -> tuple[str, tuple[Bound, ...]]:
    """Return the text without its thresholds, and these. A bare number stays a word: "season 2" is a name."""
    bounds: list[Bound] = []

    def take(found: re.Match[str]) -> str:
        bound = _read(found)
        if bound is None:
            return found.group()
        bounds.append(bound)
        return " touched " if (found["op"] or "").startswith(("reach", "hit", "dip", "fall", "drop")) else " "

    rest = _bound.sub(take, text)
    return rest, tuple(dict.fromkeys(bounds))


def _read(found: re.Match[str]) -> Bound | None:
    op, plus = found["op"] or "", (found["plus"] or found["aplus"] or "").strip()
    unit = _unit(found, "a") or _unit(found, "b")
    ranged = found["join"] is not None
    if not op and not plus and not unit and not ranged:
        return None
    low = _value(found, "a", found["bscale"] if ranged else None)
    if ranged:
        high = _value(found, "b", None)
        if high < low or (not op and not unit and "," not in found.group() and found["join"].strip() != "-"):
            return None
        return _tidy(Bound(low, high, True, True, unit))
    if op in _at_most or plus.endswith(("less", "lower", "below", "fewer", "under")):
        return _tidy(Bound(None, low, True, True, unit))
    if op in _less:
        return _tidy(Bound(None, low, True, False, unit))
    if op in _at_least or plus:
        return _tidy(Bound(low, None, True, True, unit))
    if op in _more:
        return _tidy(Bound(low, None, False, True, unit))
    return Bound(low, low, True, True, unit)


def _unit(found: re.Match[str], side: str) -> str:
    said = (found[f"{side}unit"] or "").strip()
    if said in ("%", "percent"):
        return "%"
    if said.startswith("bp"):
        return "bps"
    if said.startswith(("°", "degree")):
        return "degrees"
    return "usd" if found[f"{side}usd"] else ""


def _value(found: re.Match[str], side: str, scale: str | None) -> Decimal:
    number = Decimal(found[f"{side}number"].replace(",", "") or "0")
    power = _scale.get(found[f"{side}scale"] or scale or "", 0)
    number = (number.scaleb(power)).normalize()
    return -number if found[f"{side}sign"] else number


def _tidy(bound: Bound) -> Bound:
    """Read 99,999.99 as 100,000 and "over 2.5" of things that are counted as "at least 3"."""
    low, high, low_in, high_in = bound.low, bound.high, bound.low_in, bound.high_in
    counted = bound.unit == ""
    if low is not None and not low_in:
        if _is_hair_below(low):
            low, low_in = low.to_integral_value(rounding="ROUND_CEILING"), True
        elif counted and low % 1 == _fifty_fifty:
            low, low_in = low + _fifty_fifty, True
    if high is not None:
        if _is_hair_below(high):
            high, high_in = high.to_integral_value(rounding="ROUND_CEILING"), False
        elif counted and not high_in and high % 1 == _fifty_fifty:
            high, high_in = high - _fifty_fifty, True
    if low is not None and low_in and low > 100 and (low * 100) % 100 == 1:
        # "100.01 or above" is said of prices to the cent that are above 100.
        low, low_in = low.to_integral_value(rounding="ROUND_FLOOR"), False
    return Bound(low, high, low_in, high_in, bound.unit)


def _is_hair_below(value: Decimal) -> bool:
    fraction = value % 1
    return value > 100 and fraction >= Decimal("0.99")
