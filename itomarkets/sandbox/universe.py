"""The synthetic feed: a universe that is a function of the seed and the calendar, in a window around now."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from .diffusion import Between, Combo, Hidden, Process, Race, Rival
from .feeds import Catalogue
from .model import (
    KALSHI,
    POLYMARKET,
    TICKS,
    FeeRule,
    SandboxEvent,
    SandboxMarket,
    SandboxSeries,
    kalshi_fee,
    polymarket_fee,
    polymarket_ids,
    stable_hash,
    uniform_ticks,
)
from .templates import Template
from .universe_economy import FACTORS as ECONOMY
from .universe_life import FACTORS as LIFE
from .universe_markets import FACTORS as MARKETS
from .universe_odd import FACTORS as ODD
from .universe_politics import FACTORS as POLITICS

FACTORS = {
    factor: (tags, (*templates, *(twin for twin in (template.lasting() for template in templates) if twin)))
    for factor, (tags, templates) in {**ECONOMY, **MARKETS, **POLITICS, **LIFE}.items()
}
MONTHS = [f"{date(2000, month, 1):%B}" for month in range(1, 13)]
# What a series' title loses of an event's: the words about its period.
TAIL = re.compile(r"\s*\b(at the end of|of the|of|in|on|by|before|after the|after|,)?\s*\{\w+\}.*$")
# How long a closed event is still listed, by cadence: short cycles would otherwise crowd out everything else.
KEPT_DAYS = {"day": 3, "week": 14, "month": 40, "quarter": 120, "half": 220, "year": 365}
COMING_DAYS = 8
# Each further half year of life brings a market as much trade and depth again as it would have with a short one.
DAYS_PER_DEPTH = 180
COMBOS_A_DAY = 4
COMBO_DAYS = 30
# Combos are made of markets with more than weekly cycles: a restart still lists all that a past combo needs.
LONGER = timedelta(days=25)


class Group(NamedTuple):
    """What a venue calls the theme that factors belong to."""

    kalshi_category: str
    polymarket_tag: str
    fee_kind: str
    fee_rate: str
    exchange_index: int


ECONOMICS = Group("Economics", "Economy", "economics_fees", "0.05", 0)
FINANCIALS = Group("Financials", "Finance", "finance_prices_fees", "0.04", 0)
COMPANIES = Group("Companies", "Business", "finance_prices_fees", "0.04", 0)
CRYPTO = Group("Crypto", "Crypto", "crypto_fees_v2", "0.07", 2)
COMMODITIES = Group("Commodities", "Finance", "finance_prices_fees", "0.04", 2)
TECHNOLOGY = Group("Science and Technology", "Tech", "tech_fees", "0.04", 0)
ELECTIONS = Group("Elections", "Politics", "politics_fees", "0.04", 0)
POLITICAL = Group("Politics", "Politics", "politics_fees", "0.04", 0)
WORLD = Group("World", "Geopolitics", "", "0", 0)
CLIMATE = Group("Climate and Weather", "Weather", "weather_fees", "0.05", 0)
HEALTH = Group("Health", "Science", "general_fees", "0.05", 0)
SPORTS = Group("Sports", "Sports", "sports_fees_v2", "0.05", 0)
COURT_SPORTS = Group("Sports", "Sports", "sports_fees_v2", "0.05", 3)
CULTURE = Group("Entertainment", "Culture", "culture_fees", "0.05", 0)
GROUPS: dict[Group, str] = {
    ECONOMICS: "fed-policy-rate ecb-policy-rate boe-policy-rate boj-policy-rate other-central-banks us-cpi "
    "world-inflation household-prices us-gdp us-recession us-jobs us-housing world-growth us-debt-deficit",
    FINANCIALS: "us-equity-indices world-equity-indices single-stocks equity-volatility us-treasury-yields "
    "us-dollar other-currencies",
    COMPANIES: "earnings ipos mergers executives bankruptcies",
    CRYPTO: "bitcoin-price ether-price altcoin-prices crypto-regulation crypto-projects crypto-adoption",
    COMMODITIES: "crude-oil natural-gas gasoline energy-supply gold industrial-metals agriculture power-nuclear",
    TECHNOLOGY: "ai-leaderboards ai-releases ai-capabilities tech-regulation consumer-tech spaceflight "
    "science-discovery",
    ELECTIONS: "us-presidential-election us-senate-control us-house-control us-state-local-elections "
    "europe-elections uk-politics latin-america-politics asia-pacific-politics canada-politics",
    POLITICAL: "us-approval-polls us-legislation us-executive-action us-appointments us-courts us-immigration "
    "us-investigations political-speech fed-leadership tariffs trade-deals taxes government-shutdown",
    WORLD: "middle-east-africa-politics international-bodies russia-ukraine israel-palestine iran china-taiwan "
    "venezuela-latam-security other-conflicts nuclear-weapons",
    CLIMATE: "daily-temperature global-temperature hurricanes rain-snow natural-disasters",
    HEALTH: "disease-outbreaks drugs-health-policy",
    SPORTS: "american-football ice-hockey soccer combat-sports motorsport-cycling other-sports esports",
    COURT_SPORTS: "basketball baseball tennis-golf",
    CULTURE: "film-tv music awards celebrities-internet",
}
GROUP_OF = {factor: group for group, factors in GROUPS.items() for factor in factors.split()}


@dataclass(frozen=True, slots=True)
class Period:
    """One turn of a recurring question: what it is called and when it is open. Dates are UTC."""

    when: str
    opens: date
    ends: date

    @property
    def until(self) -> str:
        return f"{MONTHS[self.ends.month - 1]} {self.ends.day}, {self.ends.year}"

    @property
    def code(self) -> str:
        return f"{self.ends:%y}{MONTHS[self.ends.month - 1][:3].upper()}{self.ends:%d}"


def periods(cadence: str, ahead: int, first: date, last: date) -> Iterator[Period]:
    """Yield the periods that end on or after `first` and open on or before `last`."""
    number = _period_number(cadence, first)
    while True:
        start = _period_start(cadence, number)
        ends = _period_start(cadence, number + 1) - timedelta(days=1)
        if cadence.isdigit():
            ends = date(start.year, 11, 7)
        opens = _period_start(cadence, number - ahead + 1)
        if cadence.isdigit():
            opens = date(start.year - 4 * ahead - 2, 9, 1)  # two elections are open at once half of the time
        if opens > last:
            return
        if ends >= first:
            yield Period(_period_name(cadence, start, ends), opens, ends)
        number += 1


def _period_number(cadence: str, day: date) -> int:
    if cadence == "day":
        return day.toordinal()
    if cadence == "week":
        return (day.toordinal() - 1) // 7
    if cadence.isdigit():
        return (day.year - int(cadence)) // 4
    return (day.year * 12 + day.month - 1) // _months(cadence)


def _period_start(cadence: str, number: int) -> date:
    if cadence == "day":
        return date.fromordinal(number)
    if cadence == "week":
        return date.fromordinal(number * 7 + 1)
    if cadence.isdigit():
        return date(int(cadence) + 4 * number, 1, 1)
    month = number * _months(cadence)
    return date(month // 12, month % 12 + 1, 1)


def _months(cadence: str) -> int:
    return {"month": 1, "quarter": 3, "half": 6, "year": 12}[cadence]


def _period_name(cadence: str, start: date, ends: date) -> str:
    if cadence == "day":
        return f"{MONTHS[ends.month - 1][:3]} {ends.day}, {ends.year}"
    if cadence == "week":
        return f"the week ending {MONTHS[ends.month - 1][:3]} {ends.day}, {ends.year}"
    if cadence == "month":
        return f"{MONTHS[start.month - 1]} {start.year}"
    if cadence == "quarter":
        return f"Q{(start.month + 2) // 3} {start.year}"
    if cadence == "half":
        return f"the {'first' if start.month == 1 else 'second'} half of {start.year}"
    return str(start.year)


def _code(text: str) -> str:
    """Shorten a name for a ticker: initials of several words, the first letters of one."""
    words = re.findall(r"[A-Za-z0-9]+", text)
    return ("".join(word[:2] for word in words[:6]) if len(words) > 1 else "".join(words)[:5]).upper() or "X"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


class SyntheticFeed(Catalogue):
    """The seeded universe. `refresh` moves its window; a restart at any time gives the same markets and prices."""

    def __init__(self, seed: int, now: datetime) -> None:
        super().__init__()
        self._seed = seed
        self._day: date | None = None
        self.refresh(now)

    def refresh(self, now: datetime) -> None:
        day = now.date()
        if day == self._day:
            return
        self._day = day
        for factors in (FACTORS, ODD):
            for factor, (tags, templates) in factors.items():
                for template in templates:
                    self._grow(factor, tags, template, day)
        self._combine(day)
        self._forget(day)
        self.generation += 1

    def _grow(self, factor: str, tags: str, template: Template, day: date) -> None:
        group = GROUP_OF.get(factor, CULTURE)
        label = stable_hash(self._seed, "venues", template.series) % 100
        venues = (KALSHI,) if label < 42 else (POLYMARKET,) if label < 66 else (KALSHI, POLYMARKET)
        kept = KEPT_DAYS.get(template.cadence, 30)
        for period in periods(template.cadence, template.ahead, day - timedelta(days=kept), day + timedelta(days=45)):
            shift = 0
            if "{until}" in template.question and template.cadence in ("quarter", "half", "year"):
                shift = stable_hash(template.series) % 25
            turn = Period(period.when, period.opens, period.ends - timedelta(days=shift))
            if turn.ends < day - timedelta(days=kept):
                continue
            for name in template.names if template.kind == "each" else ("",):
                for venue in venues:
                    self._grow_event(_Question(self._seed, factor, tags, group, template, turn, name, venue), day)

    def _grow_event(self, question: "_Question", day: date) -> None:
        if (question.venue, question.event_key) in self._event_by_key:
            return
        if question.open_at.date() > day + timedelta(days=COMING_DAYS):
            return
        event, markets = question.build()
        self.add_series(question.series())
        self.add(event, markets)

    def _combine(self, day: date) -> None:
        """Add the combos (KXMVE...) made on each of the past days from markets that were open then."""
        for back in range(COMBO_DAYS, -1, -1):
            made = day - timedelta(days=back)
            made_at = datetime(made.year, made.month, made.day, 1, tzinfo=UTC)
            event_key = f"KXMVECROSSCATEGORY-S{stable_hash(self._seed, 'combo', made):016X}"
            if (KALSHI, event_key) in self._event_by_key:
                continue
            pool = sorted(
                (
                    market
                    for market in self._markets[KALSHI]
                    if not market.is_combo
                    and market.open_at < made_at
                    and market.close_at - market.open_at > LONGER
                    and timedelta(days=2) < market.close_at - made_at < LONGER
                ),
                key=lambda market: stable_hash(made, market.key),
            )
            combos = [self._combo(event_key, made_at, pool[start::9][:3]) for start in range(COMBOS_A_DAY)]
            combos = [combo for combo in combos if combo is not None]
            event = SandboxEvent(
                KALSHI,
                event_key,
                "",
                "Combo",
                series_key="KXMVECROSSCATEGORY",
                series_title="Combos across categories",
                category="Exotics",
                exchange_index=1,
                is_combo=True,
            )
            self.add(event, [combo for combo in combos if combo is not None])

    def _combo(self, event_key: str, made_at: datetime, legs: list[SandboxMarket]) -> SandboxMarket | None:
        if len(legs) < 2:
            return None
        sides = [stable_hash(event_key, leg.key) % 3 > 0 for leg in legs]
        title = ",".join(f"{'yes' if yes else 'no'} {leg.yes_label}" for leg, yes in zip(legs, sides, strict=True))
        processes: list[tuple[Process, bool]] = []
        for leg, yes in zip(legs, sides, strict=True):
            if not isinstance(leg.process, Between | Rival | Combo):
                return None
            processes.append((leg.process, yes))
        key = f"{event_key}-{stable_hash(title) % 16**11:011X}"
        close_at = max(leg.close_at for leg in legs)
        return SandboxMarket(
            KALSHI,
            key,
            event_key,
            title,
            yes_label=title,
            no_label=title,
            rules="If every selected leg resolves as chosen, then the market resolves to Yes.",
            open_at=made_at,
            close_at=close_at,
            settle_at=close_at + timedelta(hours=3),
            ticks=TICKS["center_deci_edge_centi_cent"],
            tick_label="center_deci_edge_centi_cent",
            exchange_index=1,
            fee=kalshi_fee("quadratic_with_combo_maker_fees"),
            volume=stable_hash(key) % 900,
            volume_24h=stable_hash(key) % 90,
            legs=tuple((leg.event_key, leg.key, "yes" if yes else "no") for leg, yes in zip(legs, sides, strict=True)),
            seed=stable_hash(self._seed, key),
            process=Combo(processes),
        )

    def _forget(self, day: date) -> None:
        gone: set[tuple[str, str]] = set()
        for events in self._events.values():
            for event in events:
                last = max(
                    (self._by_key[event.venue, key].settle_at for key in event.market_keys),
                    default=datetime.min.replace(tzinfo=UTC),
                )
                if last.date() < day - timedelta(days=370):
                    gone.add((event.venue, event.key))
        self.drop_events(gone)


class _Question:
    """One event to be: a template in one period (and, for `each`, of one name) on one venue."""

    def __init__(
        self,
        seed: int,
        factor: str,
        tags: str,
        group: Group,
        template: Template,
        period: Period,
        name: str,
        venue: str,
    ) -> None:
        self.seed, self.factor, self.tags, self.group = seed, factor, tuple(tags.split("|")), group
        self.template, self.period, self.name, self.venue = template, period, name, venue
        self.identity = (seed, template.series, period.code, name)
        draw = stable_hash(*self.identity, "times")
        ends = datetime(period.ends.year, period.ends.month, period.ends.day, tzinfo=UTC)
        self.close_at = ends + timedelta(hours=18 + draw % 10, minutes=draw // 10 % 60)
        opens = datetime(period.opens.year, period.opens.month, period.opens.day, tzinfo=UTC)
        late = 0 if template.cadence in ("day", "week") else draw // 600 % (9 if template.cadence == "month" else 25)
        self.open_at = opens + timedelta(days=late, hours=draw // 15_000 % 24, minutes=draw // 360_000 % 60)
        self.settle_at = self.close_at + timedelta(minutes=45 + draw // 21_600_000 % (300 if late == 0 else 2_800))
        self.series_key = f"KX{template.series}" if venue == KALSHI else str(self._id("series", template.series))
        suffix = f"{_code(name)}{stable_hash(name) % 100:02d}-" if name else ""
        kalshi_key = f"KX{template.series}-{suffix}{period.code}"
        self.event_key = kalshi_key if venue == KALSHI else str(self._id("event", kalshi_key))
        self._kalshi_key = kalshi_key

    def series(self) -> SandboxSeries:
        template = self.template
        title = re.sub(
            r"\s*\b(at the end of|of the|of|in|on|by|before|after the|after|,)?\s*\{\w+\}.*$", "", template.title
        )
        frequency = {"day": "daily", "week": "weekly", "month": "monthly", "quarter": "quarterly", "year": "annual"}
        return SandboxSeries(
            self.venue,
            self.series_key,
            title.strip(" ,") or template.series.title(),
            category=self.group.kalshi_category,
            tags=self.tags[:2],
            frequency=frequency.get(template.cadence, "custom"),
            fee=self._fee(),
            exchange_index=self.group.exchange_index,
        )

    def build(self) -> tuple[SandboxEvent, list[SandboxMarket]]:
        """Write the event and its markets."""
        template, kalshi = self.template, self.venue == KALSHI
        title = self._fill(template.title, self.name, "")
        exclusive = template.kind == "pick"
        event = SandboxEvent(
            self.venue,
            self.event_key,
            "" if kalshi else f"{_slug(title)}-{self.period.ends:%Y%m%d}",
            title,
            subtitle=self.period.when if "{until}" not in template.question else f"By {self.period.until}",
            series_key=self.series_key,
            series_title=self.series().title,
            category=self.group.kalshi_category if kalshi else self.group.polymarket_tag,
            tags=tuple(dict.fromkeys((self.group.polymarket_tag, *self.tags))),
            mutually_exclusive=exclusive,
            neg_risk=exclusive and not kalshi,
            exchange_index=self.group.exchange_index if kalshi else 0,
        )
        return event, [self._market(*part) for part in self._parts()]

    def _parts(self) -> Iterator[tuple[str, str, str, str, float | None, Process]]:
        """Yield code, question, YES label, group title, strike and price process of each market."""
        template = self.template
        start, end = self.open_at.timestamp(), self.close_at.timestamp()
        hidden = Hidden(stable_hash(*self.identity, "path"), start, end)
        draw = stable_hash(*self.identity, "level")
        if template.kind == "ladder":
            middle = template.base + template.step * (draw % 5 - 2)
            tilt = (draw >> 8) % 100 / 100 - 0.5
            for number in range(template.steps):
                strike = round(middle + template.step * (number - template.steps // 2), 4)
                if strike <= 0:
                    continue
                shown = template.shown.format(strike)
                process = Between(hidden, tilt + 0.42 * (number - (template.steps - 1) / 2))
                yield f"T{strike:g}", self._fill(template.question, "", shown), f"Above {shown}", shown, strike, process
        elif template.kind == "pick":
            rivals = [Hidden(stable_hash(*self.identity, name), start, end) for name in template.names]
            heads = [(stable_hash(*self.identity, name, "head") % 1000) / 700 for name in template.names]
            race = Race(rivals, heads)
            for number, name in enumerate(template.names):
                question = self._fill(template.question, name, "")
                yield f"{_code(name)}{number}", question, name, name, None, Rival(race, number)
        else:
            question = self._fill(template.question, self.name, "")
            yield "", question, self.name, "", None, Between(hidden, -0.9 + (draw >> 8) % 200 / 100)

    def _market(
        self, code: str, question: str, label: str, group_title: str, strike: float | None, process: Process
    ) -> SandboxMarket:
        kalshi = self.venue == KALSHI
        kalshi_key = f"{self._kalshi_key}-{code}" if code else self._kalshi_key
        key = kalshi_key if kalshi else str(self._id("market", kalshi_key))
        seed = stable_hash(self.seed, self.venue, key)
        days = (self.close_at - self.open_at).total_seconds() / 86_400
        depth = 1 + int(days / DAYS_PER_DEPTH)
        daily = 10 ** (1.2 + (seed >> 16) % 1000 / 400) * depth
        condition, asked, yes, no = ("", "", "", "") if kalshi else polymarket_ids(key)
        if kalshi:
            tick_label = ("linear_cent",) * 6 + ("deci_cent", "deci_cent", "tapered_deci_cent", "tapered_deci_cent")
            chosen = tick_label[(seed >> 24) % 10]
            ticks = TICKS[chosen]
        else:
            chosen = ""
            ticks = uniform_ticks("0.001" if (seed >> 24) % 5 < 2 else "0.01")
        return SandboxMarket(
            self.venue,
            key,
            self.event_key,
            question,
            subtitle=label if kalshi else "",
            rules=f"If the answer to “{question}” is yes according to the sources named by the exchange, "
            "then the market resolves to Yes; otherwise it resolves to No.",
            yes_label=label if kalshi else "Yes",
            no_label=label if kalshi else "No",
            open_at=self.open_at,
            close_at=self.close_at,
            settle_at=self.settle_at,
            ticks=ticks,
            tick_label=chosen,
            min_size=Decimal("0.01") if kalshi else Decimal(5),
            exchange_index=self.group.exchange_index if kalshi else 0,
            fee=self._fee(),
            volume=int(daily * days),
            volume_24h=int(daily * (0.6 + (seed >> 40) % 100 / 125)),
            depth=depth,
            grows=True,
            slug="" if kalshi else f"{_slug(question)}-{stable_hash(kalshi_key) % 1000:03d}",
            group_title=group_title,
            condition_id=condition,
            question_id=asked,
            yes_token=yes,
            no_token=no,
            neg_risk=self.template.kind == "pick" and not kalshi,
            floor_strike=strike,
            strike_type="greater" if strike is not None else "custom",
            seed=seed,
            process=process,
        )

    def _fee(self) -> FeeRule:
        if self.venue == POLYMARKET:
            return polymarket_fee(self.group.fee_kind, self.group.fee_rate)
        draw = stable_hash(self.template.series, "fee") % 10
        half = Decimal("0.5") if self.group is FINANCIALS and draw < 5 else Decimal(1)
        return kalshi_fee("quadratic_with_maker_fees" if draw >= 7 else "quadratic", half)

    def _fill(self, text: str, name: str, shown: str) -> str:
        return text.format(name=name, x=shown, when=self.period.when, until=self.period.until)

    @staticmethod
    def _id(kind: str, key: str) -> int:
        """Return a number that stands for a key on Polymarket: ids there are digits."""
        return 10**9 + stable_hash(kind, key) % 10**11
