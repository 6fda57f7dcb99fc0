"""The filters of market lists, shared by pages and API. An upper app adds its own by subclassing."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet

from itomarkets.lib import clock
from itomarkets.lib.venues import Venue
from markets.models import Market
from markets.search import STATUS_WORDS, Facets, Reading, count_facets, read_text, search_markets, status_word
from markets.wording import TEXT_LENGTH


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
    tag = django_filters.CharFilter(max_length=80)
    status = django_filters.ChoiceFilter(choices=[(word, word) for word in STATUS_WORDS])
    closes_before = InstantFilter()
    closes_after = InstantFilter()
    min_price = django_filters.NumberFilter(min_value=0, max_value=1, max_digits=7, decimal_places=6)
    max_price = django_filters.NumberFilter(min_value=0, max_value=1, max_digits=7, decimal_places=6)
    min_volume = django_filters.NumberFilter(min_value=0, max_digits=13, decimal_places=6)
    min_liquidity = django_filters.NumberFilter(min_value=0, max_digits=13, decimal_places=6)

    # What `search_markets` takes as it is, besides the words; the rest are a subclass's own filters.
    SEARCHED = (
        "venue", "category", "tag", "status", "closes_before", "closes_after", "min_price", "max_price", "min_volume",
        "min_liquidity",
    )  # fmt: skip
    # Which column of a market holds the choice of a filter that facets count; a subclass adds its own.
    FACETS: Mapping[str, str] = {"venue": "venue", "category": "category"}

    class Meta:
        model = Market
        fields: list[str] = []

    def __init__(self, *args: Any, now: datetime | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now or clock.now()

    @cached_property
    def reading(self) -> Reading:
        """How the words were read; of filters that are valid."""
        given = self.form.cleaned_data
        return read_text(given.get("q") or "", category=given.get("category") or "", tag=given.get("tag") or "")

    def filter_queryset(self, queryset: QuerySet[Market]) -> QuerySet[Market]:
        return self._found()

    def _found(self, **instead: Any) -> QuerySet[Market]:
        """Return what the filters find, some of them as given here."""
        given = {**self.form.cleaned_data, **instead}
        found = search_markets(
            text=given.get("q") or "",
            now=self.now,
            reading=None if instead.keys() & {"category", "tag"} else self.reading,
            **{name: given[name] for name in self.SEARCHED if given.get(name) not in (None, "")},
        )
        for name, value in given.items():
            if name != "q" and name not in self.SEARCHED:
                found = self.filters[name].filter(found, value)
        return found

    def facets(self) -> Facets:
        """Count what each choice of venue, category and status would find, and of what a subclass adds."""
        return count_facets(
            lambda name: self._found(**{name: "all" if name == "status" else None}),
            {**self.FACETS, "status": status_word(self.now)},
        )

    def unknown_parameters(self, *, besides: tuple[str, ...] = ()) -> list[str]:
        """Name the parameters that nobody reads, so that a misspelt filter does not pass as none."""
        return sorted(set(self.data) - set(self.filters) - set(besides))


def first_errors(form: forms.BaseForm) -> dict[str, list[str]]:
    """Return a form's errors as plain lists by field."""
    return {name: [str(error) for error in errors] for name, errors in form.errors.items()}
