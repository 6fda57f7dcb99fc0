"""Every command, called wrongly: one sentence that says what to do, a non-zero exit, and nothing changed."""

import base64
import functools
import os
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command, get_commands

from itomarkets.lib.environment import Environment
from itomarkets.lib.http import HttpClient
from itomarkets.lib.troubles import sentence_about
from itomarkets.lib.venue_urls import sandbox_urls
from itomarkets.lib.venues import VenueAuthError
from itomarkets.management.commands.up import programs_of
from itomarkets.processes import Supervisor, free_port
from itomarkets.records import audit
from itomarkets.records.models import AuditEntry
from markets.models import Market, Quote
from markets.quotes import demand_quotes
from markets.search_index import refresh_index
from markets.venues import clients
from tests.baskets.helpers import make_held_basket
from tests.tampering import let_audit_be_changed

ROOT = Path(__file__).resolve().parents[2]
OURS = ("itomarkets", "accounts", "markets", "categorization", "baskets", "trading")
# What says that something was tried, and may.
LEDGERS = {"JobRun", "Lease", "SyncRun", "QuoteDemand", "MinuteMark", "ModelVersion", "ContentType", "Permission"}
PLAIN_FILES = "django.contrib.staticfiles.storage.StaticFilesStorage"
LABELS = "venue\tkey\ttitle\tfactor\tdirection\n"
Disk = namedtuple("Disk", "total used free")


def rows() -> dict[str, int]:
    models = [model for model in apps.get_models() if model.__name__ not in LEDGERS]
    return {model.__name__: model._default_manager.count() for model in models}


def refuse(command: str, *arguments: str, **options: Any) -> str:
    """Call a command that must refuse; returns its sentence."""
    before = rows()
    with pytest.raises(CommandError) as caught:
        call_command(command, *arguments, **options)
    assert rows() == before
    assert caught.value.returncode != 0
    sentence = str(caught.value)
    assert len(sentence) > 20
    assert "Traceback" not in sentence
    return sentence


BAD_OPTIONS = [
    (("sync_markets", "--venue", "nyse"), "invalid choice: 'nyse'"),
    (("sync_markets", "--sometimes"), "unrecognized arguments: --sometimes"),
    (("draw_baskets", "nosuch"), "There is no basket nosuch; see the list of baskets."),
    (("draw_baskets", "--span", "2y"), "invalid choice: '2y'"),
    (("backfill_history",), "--basket ID for one basket, or --all"),
    (("backfill_history", "--all", "--basket", "3"), "--basket ID for one basket, or --all"),
    (("backfill_history", "--all"), "no baskets yet; run build_system_baskets"),
    (("backfill_history", "--all", "--days", "0"), "--days is 0; expected a whole number from 1 to 3650"),
    (("backfill_history", "--all", "--days", "-5"), "--days is -5"),
    (("backfill_history", "--all", "--days", "3651"), "--days is 3651"),
    (("backfill_history", "--all", "--days", "many"), "--days is many"),
    (("backfill_history", "--basket", "nosuch"), "no basket 'nosuch'"),
    (("backfill_history", "--basket", "9" * 30), "no basket '999"),
    (("backfill_history", "--all", "--market", "kalshi:X"), "--market VENUE:KEY for one market's prices"),
    (("backfill_history", "--market", ""), "no market '' here"),
    (("backfill_history", "--market", "nyse:X"), "no market 'nyse:X' here; expected VENUE:KEY"),
    (("backfill_history", "--market", "nyse:X", "--interval", "week"), "--interval is 'week'; expected day, hour"),
    (("backfill_history", "--all", "--interval", "minute", "--days", "8"), "expected a whole number from 1 to 7"),
    (("export_markets",), "required: --out"),
    (("export_markets", "--out", "{tmp}/new"), "no markets yet; run sync_markets"),
    (("export_markets", "--out", "{tmp}", "--status", "asleep"), "--status is 'asleep': Select a valid choice"),
    (("export_markets", "--out", "{tmp}", "--min-volume", "much"), "--min-volume is 'much': Enter a number"),
    (("export_markets", "--out", "{tmp}", "--q", "x" * 201), "at most 200 characters"),
    (("export_markets", "--out", "{tmp}", "--colour", "red"), "unrecognized arguments: --colour"),
    (("delete_markets",), "no markets yet; run sync_markets"),
    (("delete_markets", "--venue", "nyse"), "invalid choice: 'nyse'"),
    (("delete_markets", "--confirm", "DELETE"), "no markets yet; run sync_markets"),
    (("build_system_baskets",), "no themes yet; run categorize_markets"),
    (("refresh_quotes",), "no markets yet; run sync_markets"),
    (("stream_quotes", "--venue", "nyse"), "invalid choice: 'nyse'"),
    (("record_prices",), "no baskets yet; run build_system_baskets"),
    (("fix_official", "--sometimes"), "unrecognized arguments"),
    (("replay_basket", "nosuch"), "There is no basket 'nosuch'"),
    (("expand_market", "nyse:X"), "No market 'nyse:X' is known"),
    (("categorize_markets", "--sometimes"), "unrecognized arguments"),
    (("train_classifier", "--sometimes"), "unrecognized arguments"),
    (("evaluate_classifier",), "required: --labels"),
    (("evaluate_classifier", "--labels", "{tmp}/nosuch.tsv"), "nosuch.tsv cannot be read"),
    (("evaluate_classifier", "--labels", "{tmp}"), "cannot be read"),
    (("evaluate_classifier", "--labels", "{tmp}/junk"), "expected the columns"),
    (("evaluate_classifier", "--labels", "{tmp}/bytes"), "cannot be read"),
    (("evaluate_classifier", "--labels", "{tmp}/labels.tsv"), "a factor of the taxonomy"),
    (("match_markets",), "no markets yet; run sync_markets"),
    (("match_markets", "--sometimes"), "unrecognized arguments"),
    (("evaluate_pairs",), "required: --labels"),
    (("evaluate_pairs", "--labels", "{tmp}/nosuch.tsv"), "nosuch.tsv cannot be read"),
    (("evaluate_pairs", "--labels", "{tmp}/bytes"), "cannot be read"),
    (("evaluate_pairs", "--labels", "{tmp}/junk"), "expected the header kalshi, polymarket, relation"),
    (("halt_trading",), "required: state"),
    (("halt_trading", "maybe"), "invalid choice: 'maybe'"),
    (("halt_trading", "on", "--user", "nobody"), "no user 'nobody'; nothing was changed"),
    (("halt_trading", "off", "--user", ""), "no user ''; nothing was changed"),
    (("halt_trading", "on", "--reason", "x" * 201), "expected at most 200"),
    (("recorded",), "required: --data"),
    (("recorded", "--data", "{tmp}/nosuch"), "Expected markets.jsonl.gz in"),
    (("recorded", "--data", "{tmp}/recorded", "--days", "0"), "--days is 0"),
    (("recorded", "--data", "{tmp}/recorded", "--days", "3651"), "expected a whole number from 1 to 3650"),
    (("sandbox", "--port", "0"), "--port is 0; expected 1 to 65535"),
    (("sandbox", "--port", "65536"), "--port is 65536"),
    (("sandbox", "--port", "high"), "invalid int value: 'high'"),
    (("sandbox", "--host", "nowhere"), "--host is 'nowhere'"),
    (("sandbox", "--port", "{port}", "--feed", "dreams"), "--feed is 'dreams'"),
    (("sandbox", "--port", "{port}", "--data", "{tmp}"), "--data goes with --feed recorded"),
    (("sandbox", "--port", "{port}", "--feed", "recorded"), "needs --data DIR"),
    (("sandbox", "--port", "{port}", "--feed", "recorded", "--data", "{tmp}/nosuch"), "has no markets.jsonl.gz"),
    (("sandbox", "--port", "{port}", "--feed", "recorded", "--data", "{tmp}/recorded"), "cannot be read"),
    (("up", "--port", "0"), "--port is '0'; expected a number from 1 to 65535"),
    (("up", "--port", "70000"), "--port is '70000'"),
    (("up", "--days", "0"), "--days is 0; expected a whole number from 1 to 3650"),
    (("up", "--days", "3651"), "--days is 3651"),
    (("reconcile", "--sometimes"), "unrecognized arguments"),
    (("rotate_credential_keys", "--sometimes"), "unrecognized arguments"),
    (("verify_audit", "--sometimes"), "unrecognized arguments"),
    (("verify_audit", "--head", "7"), "expected a head as verify_audit prints it, SEQ:HASH; found '7'"),
    (("verify_ledger", "--sometimes"), "unrecognized arguments"),
    (("prune_history", "--sometimes"), "unrecognized arguments"),
    (("simulate_faults", "--seeds", "many"), "invalid int value: 'many'"),
    (("bench", "R0"), "Nothing measures R0"),
    (("bench", "--scale", "huge"), "--scale is 'huge'; expected small or full"),
    (("bench", "--databases", "oracle"), "--databases names oracle"),
]


@pytest.fixture
def places(tmp_path: Path) -> Callable[[str], str]:
    """Files that cannot be read as what they are given for, and a port that is free."""
    (tmp_path / "junk").write_text("this is no table\n")
    (tmp_path / "bytes").write_bytes(b"\x7fELF\xc0\xff\xfe\n")
    (tmp_path / "labels.tsv").write_text(LABELS + "kalshi\tK\tWill it rain?\tno-such-factor\t+1\n")
    (tmp_path / "recorded").mkdir()
    (tmp_path / "recorded" / "markets.jsonl.gz").write_text("no gzip\n")
    port = free_port()
    return lambda text: text.format(tmp=tmp_path, port=port)


@pytest.mark.django_db
@pytest.mark.parametrize(("call", "words"), BAD_OPTIONS, ids=lambda value: " ".join(value)[:70])
def test_what_cannot_be_meant_is_refused(call: tuple[str, ...], words: str, places: Callable[[str], str]) -> None:
    assert words in refuse(*(places(part) for part in call))


def test_these_tests_know_every_command() -> None:
    ours = {name for name, app in get_commands().items() if str(app).split(".")[0] in OURS}
    assert ours <= {call[0] for call, _ in BAD_OPTIONS}


@pytest.fixture
def nobody_listens(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in's address where nothing listens, and no waiting between tries."""
    settings.SANDBOX_URL = f"http://127.0.0.1:{free_port()}"
    for name, url in sandbox_urls(settings.SANDBOX_URL).items():
        setattr(settings, name, url)
    monkeypatch.setattr(clients, "HttpClient", functools.partial(HttpClient, sleep=lambda seconds: None))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "call",
    [
        ("sync_markets",),
        ("sync_markets", "--venue", "kalshi"),
        ("sync_markets", "--delta"),
        ("refresh_quotes",),
        ("record_prices",),
        ("backfill_history", "--all", "--days", "3"),
        ("backfill_history", "--market", "{market}", "--interval", "hour", "--days", "3"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("nobody_listens")
def test_where_no_venue_answers_the_stand_in_is_named(call: tuple[str, ...], now: datetime, settings: Any) -> None:
    make_held_basket(now)
    market = Market.objects.earliest("pk")
    wanted = list(Market.objects.values_list("pk", flat=True))
    demand_quotes(market_ids=wanted, source="test", until=now + timedelta(days=1))
    Quote.objects.update(received_at=now - timedelta(hours=2), observed_at=now - timedelta(hours=2))
    # A sync ends with the search's index whoever answered; this one finds nothing to write.
    refresh_index()
    for _ in range(2):
        sentence = refuse(*(part.format(market=market) for part in call))
        assert "Not every venue answered" in sentence
        assert settings.SANDBOX_URL in sentence
        assert "manage.py sandbox" in sentence


@pytest.mark.django_db
@pytest.mark.parametrize("command", ["reconcile", "rotate_credential_keys", "verify_audit"])
def test_where_there_is_nothing_to_do_a_command_says_so_twice(
    command: str, capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    settings.CREDENTIAL_KEYS = ["v1:" + base64.b64encode(bytes(32)).decode()]
    before = rows()
    call_command(command)
    first = capsys.readouterr().out
    call_command(command)
    assert first == capsys.readouterr().out != ""
    assert rows() == before


@pytest.mark.django_db
def test_a_changed_audit_entry_is_named(now: datetime) -> None:
    for number in (1, 2, 3):
        audit.record(action="test.done", subject=f"test:{number}", at=now)
    let_audit_be_changed()
    AuditEntry.objects.filter(seq=2).update(subject="test:9")
    assert "broken at entry 2" in refuse("verify_audit")
    AuditEntry.objects.filter(seq=2).update(subject="test:2")
    call_command("verify_audit")
    AuditEntry.objects.filter(seq=1)._raw_delete("default")
    assert "broken at entry 2" in refuse("verify_audit")


@pytest.mark.django_db
def test_a_full_disk_is_said_before_anything_is_begun(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.SANDBOX_URL = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setattr("shutil.disk_usage", lambda path: Disk(10**12, 10**12, 5 * 10**8))
    sentence = refuse("up", "--port", str(free_port()))
    assert "Only 0.5 GB are free" in sentence
    assert "ITO_VAR" in sentence


@pytest.mark.django_db
@pytest.mark.parametrize("keys", ["rubbish", "1:abcd", ":" + "A" * 44])
def test_a_key_that_seals_nothing_is_named_by_its_place(keys: str, settings: Any) -> None:
    settings.CREDENTIAL_KEYS = [keys]
    sentence = refuse("rotate_credential_keys")
    assert "Entry 1 of CREDENTIAL_KEYS" in sentence
    assert keys not in sentence


@pytest.mark.django_db
@pytest.mark.usefixtures("nobody_listens")
def test_a_kalshi_key_that_is_none_is_a_matter_of_settings(settings: Any) -> None:
    settings.KALSHI_KEY_ID, settings.KALSHI_PRIVATE_KEY = "id", "rubbish"
    with pytest.raises(VenueAuthError) as caught:
        clients.kalshi_reads()
    assert "KALSHI_PRIVATE_KEY" in str(sentence_about(caught.value))


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL", "ITO_CLOCK")}
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        env={**kept, "LOG_LEVEL": "WARNING", **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def var(tmp_path: Path) -> Path:
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk" / "itomarkets.sqlite3").write_text("this is no database, and never was one\n")
    return tmp_path


@pytest.mark.parametrize(
    ("call", "environment", "words"),
    [
        ("verify_audit", {}, "Run `python manage.py migrate`"),
        ("sync_markets", {}, "Run `python manage.py migrate`"),
        ("verify_audit", {"ITO_VAR": "{var}/junk"}, "file is not a database"),
        ("migrate", {"DATABASE_URL": "postgres://127.0.0.1:{port}/none"}, "The database cannot be opened"),
        ("verify_audit", {"ITO_VAR": "/dev/null"}, "ITO_VAR is '/dev/null'"),
        ("verify_audit", {"VENUES": "moon"}, "VENUES is 'moon'; expected 'sandbox'"),
        ("verify_audit", {"DATABASE_URL": "mysql://127.0.0.1/x"}, "expected postgres://"),
        ("verify_audit", {"REDIS_URL": "localhost"}, "expected redis://"),
        ("verify_audit", {"LOG_LEVEL": "LOUD"}, "LOG_LEVEL is 'LOUD'"),
        ("up", {"ITO_CLOCK": "yesterday", "PORT": "{port}", "SANDBOX_URL": "http://127.0.0.1:{port}"}, "ITO_CLOCK is"),
        ("conquer", {}, "Unknown command: 'conquer'"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_surrounds_us_gets_a_sentence_too(call: str, environment: dict[str, str], words: str, var: Path) -> None:
    given = {name: value.format(var=var, port=free_port()) for name, value in environment.items()}
    answer = run(call, **{"ITO_VAR": str(var), "SECRET_KEY": "x" * 50, **given})
    assert answer.returncode != 0
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_traceback_is_there_for_who_asks_for_it(var: Path) -> None:
    assert "Traceback" in run("verify_audit", "--traceback", ITO_VAR=str(var)).stderr


def test_recorded_data_that_cannot_be_read_is_said_with_the_last_words_of_the_stand_in(var: Path) -> None:
    (var / "markets.jsonl.gz").write_text("no gzip\n")
    answer = run("recorded", "--data", str(var), ITO_VAR=str(var / "var"))
    assert answer.returncode == 1
    assert "cannot be read: Not a gzipped file" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_the_example_of_settings_can_be_copied_as_it_stands(var: Path) -> None:
    lines = [line for line in (ROOT / ".env.example").read_text().splitlines() if line and not line.startswith("#")]
    given = dict(line.split("=", 1) for line in lines)
    source = (ROOT / "itomarkets" / "settings.py").read_text()
    assert all(f'"{name}"' in source for name in given)
    answer = run("check", **given, ITO_VAR=str(var))
    assert answer.returncode == 0, answer.stderr


BAD_SETTINGS: list[tuple[Callable[[Environment], Any], str, str]] = [
    (lambda env: env.count("X", default=1), "many", "expected a whole number of 1 or more"),
    (lambda env: env.count("X", default=1), "0", "expected a whole number of 1 or more"),
    (lambda env: env.count("X", default=1, least=0), "-1", "expected a whole number of 0 or more"),
    (lambda env: env.bool("X", default=False), "ture", "expected 1 or 0"),
    (lambda env: env.web_address("X", default="http://a"), "localhost", "expected an address such as http://a"),
    (lambda env: env.web_address("X", default="http://a"), "ftp://b", "expected an address"),
    (lambda env: env.web_address("X", default="http://a"), "http://b:port", "expected an address"),
]


@pytest.mark.parametrize(("read", "value", "words"), BAD_SETTINGS)
def test_a_setting_that_cannot_be_meant_is_named(
    read: Callable[[Environment], Any], value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("X", value)
    with pytest.raises(ImproperlyConfigured, match=rf"^X is '{value}'; {words}"):
        read(Environment())


@pytest.mark.parametrize("value", [None, "", "  "])
def test_an_empty_setting_is_its_default(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("X", raising=False)
    if value is not None:
        monkeypatch.setenv("X", value)
    env = Environment()
    assert env.count("X", default=7) == 7
    assert env.web_address("X", default="http://a/") == "http://a"
    assert env.bool("X", default=False) is False


def test_windows_gets_programs_that_run_there() -> None:
    commands = {program.name: " ".join(program.arguments) for program in programs_of(8000, windows=True)}
    assert set(commands) == {"worker", "trading", "stream", "web", "beat"}
    assert "uvicorn itomarkets.asgi:application" in commands["web"]
    assert " -B" not in commands["worker"]
    unix = {program.name: " ".join(program.arguments) for program in programs_of(8000, windows=False)}
    assert set(unix) == {"worker", "trading", "stream", "web"}
    assert " -B" in unix["worker"]


def test_the_pages_that_windows_gets_set_cookies_that_can_be_sent(var: Path) -> None:
    port = free_port()
    assert run("migrate", "-v", "0", ITO_VAR=str(var)).returncode == 0
    environment = {**os.environ, "ITO_VAR": str(var), "INSECURE_HTTP": "1", "STATICFILES_BACKEND": PLAIN_FILES}
    supervisor = Supervisor(environment=environment, log_folder=var / "logs")
    try:
        supervisor.start(next(program for program in programs_of(port, windows=True) if program.name == "web"))
        supervisor.wait_for(f"http://127.0.0.1:{port}/health", seconds=30)
        with urlopen(f"http://127.0.0.1:{port}/login") as answer:
            assert "csrftoken=" in answer.headers["Set-Cookie"]
    finally:
        supervisor.stop()
