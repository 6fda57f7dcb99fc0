"""The filters of market lists, shared by pages and API. An upper app adds its own by subclassing."""

from datetime import UTC, datetime
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet

from itomarkets.lib import clock
from itomarkets.lib.venues import Venue
from markets.models import Market
from markets.search import STATUS_WORDS, TEXT_LENGTH, search_markets


class InstantField(django_filters.fields.IsoDateTimeField):
    """An instant that exists in UTC, too: the year 1 in a zone east of it does not."""

    def to_python(self, value: Any) -> datetime | None:
        instant: datetime | None = super().to_python(value)
        try:
            return None if instant is None else instant.astimezone(UTC)
        except OverflowError as error:
            raise forms.ValidationError("Enter a date/time within the years 1 to 9999 in UTC.") from error


class InstantFilter(django_filters.IsoDateTimeFilter):
    field_class = InstantField


class MarketFilter(django_filters.FilterSet):
    """Reads a query string and searches with it; `form.errors` names what could not be read.

    A subclass adds filters as usual and they narrow what `search_markets` found.
    """

    q = django_filters.CharFilter(label="Words", max_length=TEXT_LENGTH, strip=True)
    venue = django_filters.ChoiceFilter(choices=Venue.choices)
    category = django_filters.CharFilter(max_length=80)
    status = django_filters.ChoiceFilter(choices=[(word, word) for word in STATUS_WORDS])
    closes_before = InstantFilter()
    closes_after = InstantFilter()
    min_volume = django_filters.NumberFilter(min_value=0, max_digits=13, decimal_places=6)

    # What `search_markets` takes under another name or as it is; the rest are a subclass's own filters.
    SEARCHED = ("q", "venue", "category", "status", "closes_before", "closes_after", "min_volume")

    class Meta:
        model = Market
        fields: list[str] = []

    def __init__(self, *args: Any, now: datetime | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now or clock.now()

    def filter_queryset(self, queryset: QuerySet[Market]) -> QuerySet[Market]:
        given = self.form.cleaned_data
        found = search_markets(
            text=given.get("q") or "",
            venue=given.get("venue") or "",
            category=given.get("category") or "",
            status=given.get("status") or "open",
            closes_before=given.get("closes_before"),
            closes_after=given.get("closes_after"),
            min_volume=given.get("min_volume"),
            now=self.now,
        )
        for name, value in given.items():
            if name not in self.SEARCHED:
                found = self.filters[name].filter(found, value)
        return found

    def unknown_parameters(self, *, besides: tuple[str, ...] = ()) -> list[str]:
        """Name the parameters that nobody reads, so that a misspelt filter does not pass as none."""
        return sorted(set(self.data) - set(self.filters) - set(besides))


def first_errors(form: forms.BaseForm) -> dict[str, list[str]]:
    """Return a form's errors as plain lists by field."""
    return {name: [str(error) for error in errors] for name, errors in form.errors.items()}
