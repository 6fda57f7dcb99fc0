"""Say of every cash entry what its cash was for, and hold the ledger in the database.

1. A settlement says what YES paid, whichever side was held.
2. An entry's columns cannot be updated; on PostgreSQL cash and lines of an entry must be zero at commit.
3. Each entry that is there gets its line: what was bought, sold, paid in fees, opened or paid out.
4. One entry without cash for each position brings the lines to what the position row says: what was
   sold or settled leaves with its cost. From then on ledger.py keeps them equal to the fills.
"""

from decimal import ROUND_HALF_EVEN, Decimal

from django.db import migrations
from django.db.models import Sum

ZERO = Decimal(0)
MILLIONTH = Decimal("0.000001")
TABLES = ("trading_cashentry", "trading_ledgerline")
# A trigger, not a check: a constraint cannot look at the other rows of an entry.
ZERO_SUM = """
CREATE FUNCTION trading_entry_is_zero() RETURNS trigger AS $$
DECLARE
    changed bigint;
    total numeric;
BEGIN
    IF TG_TABLE_NAME = 'trading_cashentry' THEN
        changed := NEW.id;
    ELSE
        changed := NEW.entry_id;
    END IF;
    SELECT entry.amount + COALESCE(
        (SELECT SUM(line.amount) FROM trading_ledgerline line WHERE line.entry_id = entry.id), 0
    ) INTO total FROM trading_cashentry entry WHERE entry.id = changed;
    IF total <> 0 THEN
        RAISE EXCEPTION 'ledger entry % is out by %', changed, total USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$ LANGUAGE plpgsql
"""
NO_UPDATE = """
CREATE FUNCTION trading_ledger_is_appended() RETURNS trigger AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is appended to, never changed' USING ERRCODE = 'check_violation';
END $$ LANGUAGE plpgsql
"""


def say_what_yes_paid(apps, schema_editor):
    """A settlement named what its side paid; the ledger keeps what YES pays. The same step leads back."""
    entry_model = apps.get_model("trading", "CashEntry")
    for entry in entry_model.objects.filter(kind="settlement", reference__contains=":no:").iterator(chunk_size=500):
        entry_model.objects.filter(pk=entry.pk).update(payout=1 - entry.payout)


def hold_the_ledger(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(ZERO_SUM, params=None)  # its % are no placeholders
        schema_editor.execute(NO_UPDATE, params=None)
        for table in TABLES:
            schema_editor.execute(
                f"CREATE CONSTRAINT TRIGGER {table}_zero AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED "
                "FOR EACH ROW EXECUTE FUNCTION trading_entry_is_zero()"
            )
            schema_editor.execute(
                f"CREATE TRIGGER {table}_appended BEFORE UPDATE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION trading_ledger_is_appended()"
            )
        return
    for table in TABLES:
        schema_editor.execute(
            f"CREATE TRIGGER {table}_appended BEFORE UPDATE ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'the ledger is appended to, never changed'); END"
        )


def let_go(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for table in TABLES:
            schema_editor.execute(f"DROP TRIGGER {table}_zero ON {table}")
            schema_editor.execute(f"DROP TRIGGER {table}_appended ON {table}")
        schema_editor.execute("DROP FUNCTION trading_entry_is_zero()")
        schema_editor.execute("DROP FUNCTION trading_ledger_is_appended()")
        return
    for table in TABLES:
        schema_editor.execute(f"DROP TRIGGER {table}_appended")


def write_lines(apps, schema_editor):
    entry_model = apps.get_model("trading", "CashEntry")
    line_model = apps.get_model("trading", "LedgerLine")
    entries = entry_model.objects.select_related("fill__order__trade").order_by("id")
    batch = []
    for entry in entries.iterator(chunk_size=500):
        batch += [line_model(entry=entry, **values) for values in _lines(entry)]
        if len(batch) >= 500:
            line_model.objects.bulk_create(batch)
            batch = []
    line_model.objects.bulk_create(batch)
    for position in apps.get_model("trading", "Position").objects.order_by("id").iterator(chunk_size=500):
        _restate(entry_model, line_model, position)


def _lines(entry):
    """Give the lines of one entry, as far as it alone tells them."""
    if entry.kind == "opening":
        return [{"book": "equity", "amount": -entry.amount}] if entry.amount else []
    if entry.kind == "settlement":
        _, basket, _, side, _ = entry.reference.split(":")
        where = {"basket_id": int(basket), "side": side}
        return [{"book": "realised", "amount": -entry.amount, **where}] if entry.amount else []
    order = entry.fill.order
    where = {"basket_id": order.trade.basket_id, "side": order.side}
    is_buy = order.action == "buy"
    if entry.kind == "fee":
        return [{"book": "carried" if is_buy else "fees", "amount": -entry.amount, **where}]
    money = (entry.fill.count * entry.fill.price).quantize(MILLIONTH, rounding=ROUND_HALF_EVEN)
    back = -1 if entry.kind == "reversal" else 1
    lines = []
    if is_buy:
        lines.append({"book": "position", "amount": back * money, "count": back * entry.fill.count, **where})
    else:
        lines.append({"book": "realised", "amount": back * -money, **where})
        lines.append({"book": "position", "count": back * -entry.fill.count, **where})
    if entry.kind == "reversal" and entry.fill.fee:
        lines.append({"book": "carried" if is_buy else "fees", "amount": -entry.fill.fee, **where})
    return [line for line in lines if line.get("amount") or line.get("count")]


def _restate(entry_model, line_model, position):
    """Bring the lines of one position to its row; the row's cost holds the fees of what is held."""
    own = line_model.objects.filter(
        entry__account_id=position.account_id,
        entry__market_id=position.market_id,
        basket_id=position.basket_id,
        side=position.side,
    )
    there = {
        row["book"]: (row["money"], row["contracts"])
        for row in own.order_by("book").values("book").annotate(money=Sum("amount"), contracts=Sum("count"))
    }
    bought = own.filter(book="position", amount__gt=0).aggregate(sum=Sum("amount"))["sum"] or ZERO
    fees = own.filter(book="carried", amount__gt=0).aggregate(sum=Sum("amount"))["sum"] or ZERO
    carried = ZERO
    if bought + fees:
        carried = (position.cost * fees / (bought + fees)).quantize(MILLIONTH, rounding=ROUND_HALF_EVEN)
    gone = position.fees - carried
    wanted = {
        "position": (position.cost - carried, position.count),
        "carried": (carried, ZERO),
        "fees": (gone, ZERO),
        "realised": (-(position.realised + gone), ZERO),
    }
    lines = []
    for book, (money, contracts) in wanted.items():
        has_money, has_contracts = there.get(book, (ZERO, ZERO))
        if money != has_money or contracts != has_contracts:
            lines.append((book, money - has_money, contracts - has_contracts))
    total = sum((money for _, money, _ in lines), ZERO)
    if not lines:
        return
    if total:
        raise ValueError(
            f"Position {position.pk} and its cash entries differ by {total}; expected cost less realised to be what "
            "left the cash. Find the entry that is missing or doubled before migrating."
        )
    entry = entry_model.objects.create(
        account_id=position.account_id,
        kind="restated",
        amount=ZERO,
        market_id=position.market_id,
        reference=f"restated:{position.basket_id}:{position.market_id}:{position.side}",
        at=position.updated_at,
    )
    line_model.objects.bulk_create(
        line_model(
            entry=entry, book=book, basket_id=position.basket_id, side=position.side, amount=money, count=contracts
        )
        for book, money, contracts in lines
    )


def remove_lines(apps, schema_editor):
    """Go back to cash alone. What was booked without cash has no place there."""
    apps.get_model("trading", "LedgerLine").objects.all().delete()
    apps.get_model("trading", "CashEntry").objects.filter(kind="restated", amount=0).delete()


class Migration(migrations.Migration):
    dependencies = [("trading", "0005_write_budget")]

    operations = [
        migrations.RunPython(say_what_yes_paid, say_what_yes_paid),
        migrations.RunPython(hold_the_ledger, let_go),
        migrations.RunPython(write_lines, remove_lines),
    ]
