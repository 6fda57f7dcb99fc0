from celery import shared_task

from accounts.door import store_uses
from itomarkets.lib import clock
from itomarkets.lib.locks import lease


@shared_task(name="accounts.store_key_uses")
def store_key_uses() -> None:
    with lease("store_key_uses", seconds=300) as fence:
        if fence is not None:
            store_uses(now=clock.now())
