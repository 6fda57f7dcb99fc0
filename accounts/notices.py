"""Tell people what happened while they were away: a sentence, a link, once."""

from datetime import datetime
from typing import Any

from accounts.models import Notification

TEXT_LENGTH, URL_LENGTH = 400, 200


def notify(*, user: Any, kind: str, key: str, text: str, url: str, now: datetime) -> None:
    """Tell a person something, once for each `key`; call it in the transaction of what happened.

    `url` is a path of this site. Raises ValueError for another address, or for words that do not fit.
    """
    if kind not in Notification.Kind.values:
        raise ValueError(f"Expected one of {', '.join(Notification.Kind.values)}, found {kind!r}.")
    if not url.startswith("/") or url.startswith("//") or len(url) > URL_LENGTH:
        raise ValueError(f"Expected a path of this site of at most {URL_LENGTH} characters, found {url!r}.")
    sentence = " ".join(text.split())
    if len(sentence) > TEXT_LENGTH:
        sentence = sentence[: TEXT_LENGTH - 1].rstrip() + "…"
    row = Notification(user=user, kind=kind, key=key, text=sentence, url=url, created_at=now)
    # Two workers may tell the same at once; an error would break the transaction that they tell it in.
    Notification.objects.bulk_create([row], ignore_conflicts=True)


def read_one(*, user: Any, pk: int, now: datetime) -> Notification:
    """Mark a person's notice as read and return it. Raises Notification.DoesNotExist for anybody else's."""
    row = Notification.objects.get(user=user, pk=pk)
    Notification.objects.filter(pk=row.pk, read_at=None).update(read_at=now)
    return row


def read_all(*, user: Any, now: datetime) -> int:
    """Mark what a person has not read yet as read; returns how many that were."""
    return Notification.objects.filter(user=user, read_at=None).update(read_at=now)
