from django.urls import path

from baskets.api import suggestions as views

ONE = "baskets/<uuid:suggestion_id>"
urlpatterns = [
    path("baskets", views.SuggestionList.as_view(), name="suggestions-of-baskets"),
    path(ONE, views.SuggestionDetail.as_view(), name="suggestion-of-basket"),
    *(
        path(
            f"{ONE}/{decision}",
            views.SuggestionDecision.as_view(),
            {"decision": decision},
            name=f"suggestion-{decision}",
        )
        for decision in ("approve", "reject")
    ),
]
