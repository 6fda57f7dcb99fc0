"""Cash entries from before the ledger had lines: brought forward, proved, continued, and brought back."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tests.factories import make_market, make_user
from tests.trading.ledger_world import account_at, basket_of, bought, make_order, resolve
from trading.ledger import ledger_cash, trial_balance
from trading.ledger_checks import verify_account
from trading.models import CashEntry, Fill, LedgerLine, Position
from trading.settlement import settle_positions

D = Decimal
BEFORE, AFTER = [("trading", "0005_write_budget")], [("trading", "0006_ledger_from_cash")]


def migrate(target: list[tuple[str, str]]) -> Any:
    executor = MigrationExecutor(connection)
    executor.migrate(target)
    return MigrationExecutor(connection).loader.project_state(target).apps


@pytest.mark.django_db(transaction=True)
def test_shipped_entries_get_their_lines_and_go_back_without_them(now: datetime) -> None:
    account, market, other = account_at(make_user(), "kalshi", now), make_market(), make_market()
    basket = basket_of(market)
    leaves = MigrationExecutor(connection).loader.graph.leaf_nodes("trading")
    try:
        old = migrate(BEFORE)
        shipped_before(old, account, basket, market, other, now)
        cash = list(old.get_model("trading", "CashEntry").objects.values_list("reference", "amount"))
        migrate(AFTER)
        # The other market still holds both sides, as it was booked then; each book is as the row said.
        assert trial_balance(account).total == 0
        assert trial_balance(account).books["position"] + trial_balance(account).books["carried"] == sum(
            Position.objects.values_list("cost", flat=True)
        )
        migrate(BEFORE)
        old = migrate(BEFORE)
        assert list(old.get_model("trading", "CashEntry").objects.values_list("reference", "amount")) == cash
        assert set(old.get_model("trading", "CashEntry").objects.exclude(payout=None).values_list("payout")) == {
            (D("0.75"),)
        }
    finally:
        migrate(leaves)
    goes_on(account, basket, market, other, now)


def shipped_before(old: Any, account: Any, basket: Any, market: Any, other: Any, now: datetime) -> None:
    """Write what the shipped code wrote: buys, a sale, a settlement of NO at .75, and both sides side by side."""
    entry_model, position_model = old.get_model("trading", "CashEntry"), old.get_model("trading", "Position")
    LedgerLine.objects.all()._raw_delete("default")

    def filled(where: Any, side: str, action: str, count: str, price: str, fee: str) -> int:
        order = make_order(account, basket, where, now, side=side, action=action)
        fill = Fill.objects.create(account=account, order=order, venue_trade_id=f"t{order.pk}", count=D(count),
                                   price=D(price), fee=D(fee), at=now)  # fmt: skip
        money = D(count) * D(price)
        values = {"account_id": account.pk, "fill_id": fill.pk, "market_id": where.pk, "at": now}
        entry_model.objects.create(
            kind="fill", amount=-money if action == "buy" else money, reference=f"fill:{fill.pk}", **values
        )
        entry_model.objects.create(kind="fee", amount=-D(fee), reference=f"fee:{fill.pk}", **values)
        return fill.pk

    def position(where: Any, side: str, count: str, cost: str, fees: str, realised: str) -> None:
        position_model.objects.create(
            account_id=account.pk, basket_id=basket.pk, market_id=where.pk, side=side, count=D(count), cost=D(cost),
            fees=D(fees), realised=D(realised), updated_at=now,
        )  # fmt: skip

    filled(market, "no", "buy", "10", "0.60", "0.10")
    last = filled(market, "no", "sell", "4", "0.70", "0.05")
    entry_model.objects.create(
        account_id=account.pk, kind="settlement", amount=D("4.50"), market_id=market.pk, payout=D("0.75"),
        reference=f"settlement:{basket.pk}:{market.pk}:no:{last}", at=now,
    )  # fmt: skip
    # 2.80 − .05 − 2.44 of the sale, then 4.50 − 3.66.
    position(market, "no", "0", "0", "0.15", "1.15")
    filled(other, "yes", "buy", "5", "0.40", "0.02")
    filled(other, "no", "buy", "3", "0.50", "0.02")
    position(other, "yes", "5", "2.02", "0.02", "0")
    position(other, "no", "3", "1.52", "0.02", "0")


def goes_on(account: Any, basket: Any, market: Any, other: Any, now: datetime) -> None:
    """Net what stood side by side, once, and book on: facts and books agree from here."""
    before = ledger_cash(account)
    resolve(market, "0.25")
    for _ in range(2):
        settle_positions(now=now)
    assert ledger_cash(account) == before + 3
    assert CashEntry.objects.filter(kind="restated", amount=3).count() == 1
    assert verify_account(account) == []
    bought(account, basket, other, now, "1", "0.45", second=5)
    assert {(row.side, row.count) for row in Position.objects.filter(market=other)} == {("yes", D(3)), ("no", D(0))}
    assert verify_account(account) == []
