"""Every example of the API's documents, run as it stands: in Python, in JavaScript, in a shell."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from accounts.models import User
from baskets.models import BackfillRun
from itomarkets.api_docs.examples import LANGUAGES
from itomarkets.api_docs.operations import OPERATIONS
from itomarkets.lib import clock
from itomarkets.lib.scopes import Scope
from tests.baskets.helpers import make_labelled, make_theme
from tests.trading.api_caller import Caller, buy, quote
from tests.trading.venue import Books, two_leg_basket
from trading.models import Trade

# What a reader in the same place is told: nothing waits for a choice, and no cash differs.
REFUSED = {"chooseForTrade": "409", "bookCash": "404"}
RUNNERS = {
    "Python": """
import contextlib, io, json, sys
told = []
for text in json.load(sys.stdin):
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(text, {})
        told.append("")
    except Exception as error:
        told.append(f"{type(error).__name__}: {error}")
print(json.dumps(told))
""",
    "JavaScript": """
const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));
const Run = Object.getPrototypeOf(async () => {}).constructor;
(async () => {
  const told = [];
  for (const text of texts) {
    try { await new Run("console", text)({ log() {} }); told.push(""); } catch (error) { told.push(String(error)); }
  }
  console.log(JSON.stringify(told));
})();
""",
}


def run(language: str, texts: list[str], key: str) -> list[str]:
    """Run examples one after another; returns what went wrong with each, empty where nothing did."""
    environment = {**os.environ, "BKT_KEY": key, "NO_PROXY": "*"}
    if language == "cURL":
        found = []
        for text in texts:
            ended = subprocess.run(["bash", "-c", text], env=environment, capture_output=True, text=True, timeout=60)
            found.append("" if ended.returncode == 0 else ended.stderr + ended.stdout)
        return found
    command = [sys.executable, "-c"] if language == "Python" else ["node", "-e"]
    ended = subprocess.run(
        [*command, RUNNERS[language]],
        input=json.dumps(texts), env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    told: list[str] = json.loads(ended.stdout)
    return told


def words_of(
    caller: Caller, basket: Any, run: BackfillRun, market: str, trade_id: str
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return what a reader has: ids of everything, and those of a basket of one's own."""
    legs = [{"market_id": market, "side": "yes", "weight": "1"}]
    own = caller.ask("POST", "/baskets", {"name": "One of my own", "legs": legs})
    assert own.status_code == 201, own.content
    common = {"market": market, "backfill": str(run.pk), "trade": trade_id}
    quoted = quote(caller, basket, amount="25.00").json()["id"]
    return (
        {**common, "basket": basket.public_id, "quote": quoted},
        {**common, "basket": own.json()["id"]},
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_example_of_the_documents_works(
    language: str, live_server: Any, user: User, books: Books, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = {"JavaScript": "node", "cURL": "curl"}.get(language)
    if tool and not shutil.which(tool):
        pytest.skip(f"{tool} is not installed; its examples are run where it is")
    # Books come from the test, and no worker sends what is confirmed.
    monkeypatch.setattr("trading.quoting.book_reader", lambda mode: books.read)
    monkeypatch.setattr("trading.tasks.run_trade.delay", lambda trade_id: None)
    monkeypatch.setattr("baskets.tasks.run_backfill.delay", lambda run_id: None)
    monkeypatch.setattr("baskets.demand.refresh_quotes", lambda now, market_ids: SimpleNamespace(sentence=""))
    caller, basket = Caller(user, now, scopes=list(Scope.values)), two_leg_basket(books)[0]
    market = make_labelled(make_theme().factors.get(), now)
    backfill = BackfillRun.objects.create(
        basket=basket, user=user, days=3, status="done", created_at=now, alive_at=clock.machine_now()
    )
    trade_id = buy(caller, basket, amount="25.00").json()["id"]
    # A second one on the same basket within a minute would be taken for a slip.
    Trade.objects.update(created_at=now - timedelta(hours=1))
    every, own = words_of(caller, basket, backfill, f"kalshi:{market.native_id}", trade_id)
    texts = [
        LANGUAGES[language](
            operation,
            live_server.url.replace("localhost", "127.0.0.1"),
            own if operation.id in ("changeBasket", "deleteBasket") else every,
        )
        for operation in OPERATIONS
    ]
    told = dict(zip([operation.id for operation in OPERATIONS], run(language, texts, caller.key), strict=True))
    assert all(status in told.pop(id) for id, status in REFUSED.items())
    assert {id: error for id, error in told.items() if error} == {}
