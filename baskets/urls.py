from django.urls import path

from baskets import builder_views, search_views, views

urlpatterns = [
    path("", views.landing, name="landing"),
    path("baskets", views.basket_list, name="basket-list"),
    path("baskets/<slug:slug>/chart.json", views.basket_chart, name="basket-chart"),
    path("baskets/<slug:slug>/delete", views.basket_delete, name="basket-delete"),
    path("baskets/<slug:slug>/share", views.basket_share, name="basket-share"),
    path("baskets/<slug:slug>/clone", builder_views.basket_clone, name="basket-clone"),
    path("markets", search_views.market_list, name="market-list"),
    path("markets/<int:pk>", views.market_detail, name="market-detail"),
    path("suggestions", views.suggestion_list, name="suggestion-list"),
    path("suggestions/<int:pk>/withdraw", views.suggestion_withdraw, name="suggestion-withdraw"),
    path("builder", builder_views.builder, name="builder"),
    path("builder/search", builder_views.builder_search, name="builder-search"),
    path("builder/preview", builder_views.builder_preview, name="builder-preview"),
    path("builder/save", builder_views.builder_save, name="builder-save"),
]
