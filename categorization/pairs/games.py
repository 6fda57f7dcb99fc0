"""One game of two teams: which, when, and what of it a market asks. Venues write these too differently for words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from categorization.knowledge.words import plain_text
from categorization.pairs.periods import read_ticker
from itomarkets.lib.venues import Venue

EASTERN = ZoneInfo("America/New_York")
# Kalshi's series by league, and what each asks.
_series = re.compile(r"^KX(MLB|NFL|NBA|NHL|WNBA|WC)(GAME|SPREAD|TOTAL)$")
_leagues = {"MLB": "mlb", "NFL": "nfl", "NBA": "nba", "NHL": "nhl", "WNBA": "wnba", "WC": "worldcup"}
_versus = re.compile(
    r"^(.+?)\s+(?:vs\.?|at|@)\s+(.+?)(?:\s+(?:women's pro basketball game|winner\??|professional .*)|[?:]|$)"
)
_polymarket_total = re.compile(r"^(.+?)\s+vs\.?\s+(.+?): o/u (\d+(?:\.\d+)?)$")
_polymarket_spread = re.compile(r"^spread: (.+?) \((-\d+(?:\.\d+)?)\)$")
_polymarket_win = re.compile(r"^will (.+?) win on (\d{4}-\d\d-\d\d)\?$")
_polymarket_draw = re.compile(r"^will (.+?) vs\.? (.+?) end in a draw\?$")
_kalshi_spread = re.compile(r"^(.+?) wins by over (\d+(?:\.\d+)?) ")
_kalshi_total = re.compile(r"^over (\d+(?:\.\d+)?) ")
_slug_day = re.compile(r"^(mlb|nfl|nba|nhl|wnba|fifwc)-.*?-(\d{4}-\d\d-\d\d)(?:-|$)")
_TWO_WAY = {"mlb", "nba", "nhl", "wnba", "nfl"}


@dataclass(frozen=True, slots=True)
class Game:
    """`asks` is winner, draw, spread or total; `side` the team of YES; `line` what a spread or total is over."""

    league: str
    asks: str
    teams: frozenset[str]
    side: str
    line: Decimal | None
    day: date
    hour: str

    @property
    def can_end_level(self) -> bool:
        return self.league not in _TWO_WAY


@lru_cache(maxsize=1)
def _teams() -> dict[str, dict[str, str]]:
    """Return league → each name of each team → the one word for it."""
    names: dict[str, dict[str, str]] = {}
    for league, parts in _team_lines():
        names.setdefault(league, {}).update(dict.fromkeys(parts, _token(league, parts[0])))
    return names


@lru_cache(maxsize=1)
def _own_names() -> dict[str, dict[str, str]]:
    """Return league → the full names and nicknames: a bare city says nothing of the league."""
    names: dict[str, dict[str, str]] = {}
    for league, parts in _team_lines():
        names.setdefault(league, {}).update(dict.fromkeys(parts[:2], _token(league, parts[0])))
    return names


def _team_lines() -> Iterator[tuple[str, list[str]]]:
    for line in (Path(__file__).resolve().parent / "teams.txt").read_text(encoding="utf-8").splitlines():
        league, colon, rest = line.partition(": ")
        if colon and not line.startswith("#"):
            yield league, [part.strip() for part in rest.split("|")]


def _token(league: str, full: str) -> str:
    return f"{league}_{full}".replace(" ", "_").replace(".", "")


@lru_cache(maxsize=1)
def _team_patterns() -> dict[str, re.Pattern[str]]:
    return {
        league: re.compile(
            r"\b(?:" + "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)) + r")(?!\w)"
        )
        for league, names in _teams().items()
    }


_league_words = re.compile(r"\b(mlb|nba|wnba|nfl|nhl)\b")


def with_teams(text: str) -> str:
    """Write each team as one word where the text names its league, so that "Milwaukee" and "Brewers" are the same."""
    found = set(_league_words.findall(text))
    if len(found) != 1:
        return text
    league = found.pop()
    names = _teams()[league]
    return _team_patterns()[league].sub(lambda match: names[match.group()], text)


def _team(name: str, league: str) -> str:
    plain = name.strip(" ?.")
    if league == "worldcup":
        return _nation(plain)
    return _teams()[league].get(plain, "") or _teams()[league].get(plain.removeprefix("the "), "")


_nations = {"ir iran": "iran", "turkiye": "turkey", "korea republic": "south korea", "cote d'ivoire": "ivory coast",
            "cabo verde": "cape verde", "united states": "usa", "congo dr": "dr congo",
            "bosnia-herzegovina": "bosnia and herzegovina"}  # fmt: skip


def _nation(name: str) -> str:
    return _nations.get(name, name)


def read_game(
    *,
    venue: str,
    ticker: str,
    title: str,
    outcome: str,
    slug: str,
    event_title: str,
    close_at: datetime | None,
) -> Game | None:
    """Read a market on one game; None where it is none, or one that no table here knows."""
    plain = plain_text(title).replace("’", "'").strip()
    if venue == Venue.KALSHI:
        return _kalshi_game(ticker, plain, plain_text(outcome), plain_text(event_title))
    return _polymarket_game(plain, plain_text(outcome), slug, plain_text(event_title), close_at)


def _kalshi_game(ticker: str, title: str, outcome: str, event_title: str) -> Game | None:
    found = _series.match(ticker.split("-")[0])
    hint = read_ticker(ticker)
    if found is None or hint.day is None:
        return None
    league, asks = _leagues[found[1]], found[2].lower()
    head, _, said = title.rpartition(": ")
    versus = _versus.match(event_title) or _versus.match(head or title)
    teams = frozenset(_team(name, league) for name in versus.groups()) if versus else frozenset()
    if asks == "game":
        side_name = said.removesuffix("wins?").strip() if head else outcome
        if not versus or not side_name:
            return None
        if side_name.strip(" ?") in ("tie", "draw"):
            return _made(league, "draw", teams, "draw", None, hint.day, hint.hour)
        return _made(league, "winner", teams, _team(side_name, league), None, hint.day, hint.hour)
    spread, total = _kalshi_spread.match(title), _kalshi_total.match(title)
    if asks == "spread" and spread is not None:
        side = _team(spread[1], league)
        return _made(league, "spread", teams, side, Decimal(spread[2]), hint.day, hint.hour)
    if asks == "total" and total is not None:
        return _made(league, "total", teams, "over", Decimal(total[1]), hint.day, hint.hour)
    return None


def _polymarket_game(title: str, yes_label: str, slug: str, event_title: str, close_at: datetime | None) -> Game | None:
    # The slug dates the game; the closing time is its start, or a week after that.
    slugged = _slug_day.match(slug)
    start = close_at.astimezone(EASTERN) if close_at else None
    day = date.fromisoformat(slugged[2]) if slugged else start.date() if start else None
    hour = f"{start:%H:%M}" if start else ""
    wins = _polymarket_win.match(title)
    if wins is not None:
        # A national team plays at most one game a day; only a table of nations says that it is one.
        return _made("worldcup", "winner", frozenset(), _nation(wins[1]), None, date.fromisoformat(wins[2]), hour)
    if day is None:
        return None
    draw = _polymarket_draw.match(title)
    if draw is not None:
        teams = frozenset(_nation(name) for name in draw.groups())
        return _made("worldcup", "draw", teams, "draw", None, day, hour)
    league_of_slug = {"fifwc": "worldcup"}.get(slugged[1], slugged[1]) if slugged else ""
    spread = _polymarket_spread.match(title)
    if spread is not None:
        versus = _versus.match(event_title)
        for league in (league_of_slug,) if league_of_slug in _TWO_WAY else sorted(_TWO_WAY):
            side = _team(spread[1], league)
            teams = frozenset(_team(name, league) for name in versus.groups()) if versus else frozenset()
            if side and versus and "" not in teams:
                return _made(league, "spread", teams, side, -Decimal(spread[2]), day, hour)
        return None
    total = _polymarket_total.match(title)
    pair = total.groups()[:2] if total else tuple(re.split(r"\s+vs\.?\s+", title.strip(" ?")))
    if len(pair) != 2:
        return None
    found = [
        _made(league, "total" if total else "winner", frozenset((first, second)), side, line, day, hour)
        for league in ((league_of_slug,) if league_of_slug in _TWO_WAY else sorted(_TWO_WAY))
        for first, second in [[_own_names()[league].get(name.strip(" ?"), "") for name in pair]]
        for side, line in [
            ("over", Decimal(total[3]))
            if total
            else (first if yes_label in ("", "yes") else _team(yes_label, league), None)
        ]
        if first != second
    ]
    games = [game for game in found if game is not None]
    # "Cardinals vs. Giants" is a game of two leagues.
    return games[0] if len(games) == 1 else None


def _made(
    league: str, asks: str, teams: frozenset[str], side: str, line: Decimal | None, day: date, hour: str
) -> Game | None:
    if not side or "" in teams:
        return None
    return Game(league, asks, teams, side, line, day, hour)
