"""The basket that a person is building: kept in the session, changed by one step at a time."""

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from baskets.balance import WHOLE, balance, even
from itomarkets.lib.venues import Side

SESSION_KEY = "draft"
MOST_LEGS = 50
NAME_LENGTH = 120
TEXT_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class DraftLine:
    """One leg of a draft; the weight in tenths of a percent."""

    market_id: int
    side: str
    weight: int
    locked: bool = False

    @property
    def percent(self) -> str:
        return f"{Decimal(self.weight) / 10:.1f}"

    @property
    def share(self) -> Decimal:
        return Decimal(self.weight) / WHOLE


@dataclass(frozen=True, slots=True)
class Draft:
    name: str = ""
    description: str = ""
    lines: tuple[DraftLine, ...] = field(default=())

    @property
    def market_ids(self) -> list[int]:
        return [line.market_id for line in self.lines]


def load_draft(session: MutableMapping[str, Any]) -> Draft:
    """Read the draft from a session; what does not parse is left out."""
    kept = session.get(SESSION_KEY)
    if not isinstance(kept, dict):
        return Draft()
    lines = []
    for row in kept.get("lines", []):
        market_id, side, weight, locked = row
        lines.append(DraftLine(int(market_id), str(Side(side).value), int(weight), bool(locked)))
    return Draft(str(kept.get("name", "")), str(kept.get("description", "")), tuple(lines))


def store_draft(session: MutableMapping[str, Any], draft: Draft) -> None:
    session[SESSION_KEY] = {
        "name": draft.name,
        "description": draft.description,
        "lines": [[line.market_id, line.side, line.weight, line.locked] for line in draft.lines],
    }


def clear_draft(session: MutableMapping[str, Any]) -> None:
    session.pop(SESSION_KEY, None)


def posted_draft(posted: Any, before: Draft) -> Draft:
    """Read a draft from a posted form: `leg` ids, `side_ID`, `weight_ID` in percent, `lock_ID`.

    A form without legs' fields (a click beside the search) leaves the stored legs as they are. Weights that do
    not sum to 100 are balanced: what the person changed and what is locked stays, the others give or take.
    """
    name = " ".join(posted.get("name", before.name).split())[:NAME_LENGTH]
    description = posted.get("description", before.description).strip()[:TEXT_LENGTH]
    if "leg" not in posted:
        return replace(before, name=name, description=description)
    old = {line.market_id: line for line in before.lines}
    lines: list[DraftLine] = []
    changed: set[int] = set()
    for text in posted.getlist("leg"):
        if not text.isdigit() or int(text) not in old or any(line.market_id == int(text) for line in lines):
            continue
        line = old[int(text)]
        side = posted.get(f"side_{text}", line.side)
        weight = _tenths(posted.get(f"weight_{text}", ""), line.weight)
        if weight != line.weight:
            changed.add(line.market_id)
        lines.append(
            DraftLine(line.market_id, side if side in Side.values else line.side, weight, f"lock_{text}" in posted)
        )
    return _balanced(Draft(name, description, tuple(lines)), fixed=changed)


def copied_draft(*, name: str, description: str, legs: Iterable[tuple[int, str, Decimal]]) -> Draft:
    """Make a draft of what a basket holds: market, side and weight of each leg, the weights balanced to the whole."""
    lines = tuple(
        DraftLine(market_id, side, max(int((weight * WHOLE).to_integral_value()), 1))
        for market_id, side, weight in list(legs)[:MOST_LEGS]
    )
    return _balanced(Draft(f"Copy of {name}"[:NAME_LENGTH], description[:TEXT_LENGTH], lines))


def add_leg(draft: Draft, *, market_id: int, side: str) -> Draft:
    """Put a market in with its fair part, or turn it to the other side where it is in already."""
    if side not in Side.values:
        return draft
    if market_id in draft.market_ids:
        lines = tuple(replace(line, side=side) if line.market_id == market_id else line for line in draft.lines)
        return replace(draft, lines=lines)
    if len(draft.lines) >= MOST_LEGS:
        return draft
    line = DraftLine(market_id, side, max(WHOLE // (len(draft.lines) + 1), 1))
    return _balanced(replace(draft, lines=(*draft.lines, line)), fixed={market_id})


def remove_leg(draft: Draft, *, market_id: int) -> Draft:
    return _balanced(replace(draft, lines=tuple(line for line in draft.lines if line.market_id != market_id)))


def flip_leg(draft: Draft, *, market_id: int) -> Draft:
    lines = tuple(
        replace(line, side=Side(line.side).opposite.value) if line.market_id == market_id else line
        for line in draft.lines
    )
    return replace(draft, lines=lines)


def even_out(draft: Draft) -> Draft:
    weights = even(draft.market_ids)
    return replace(
        draft, lines=tuple(replace(line, weight=weights[line.market_id], locked=False) for line in draft.lines)
    )


def apply_step(draft: Draft, step: str) -> Draft:
    """Apply one button: `add:ID:side`, `remove:ID`, `flip:ID`, `even`, `clear`; anything else changes nothing."""
    verb, _, rest = step.partition(":")
    number, _, side = rest.partition(":")
    if verb == "clear":
        return Draft()
    if verb == "even":
        return even_out(draft)
    if not (number.isascii() and number.isdigit()) or len(number) > 18:
        return draft
    if verb == "add":
        return add_leg(draft, market_id=int(number), side=side)
    if verb == "remove":
        return remove_leg(draft, market_id=int(number))
    return flip_leg(draft, market_id=int(number)) if verb == "flip" else draft


def _balanced(draft: Draft, fixed: set[int] | None = None) -> Draft:
    locked = {line.market_id for line in draft.lines if line.locked}
    weights = balance({line.market_id: line.weight for line in draft.lines}, fixed=locked | (fixed or set()))
    return replace(draft, lines=tuple(replace(line, weight=weights[line.market_id]) for line in draft.lines))


def _tenths(text: str, otherwise: int) -> int:
    try:
        percent = Decimal(text.strip().replace(",", "."))
    except InvalidOperation:
        return otherwise
    if not percent.is_finite() or percent < 0 or percent > 100:
        return otherwise
    return max(int((percent * 10).to_integral_value()), 1)
