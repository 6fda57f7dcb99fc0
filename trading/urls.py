from django.urls import path

from trading import account_views, profile_views, ticket_views, views

urlpatterns = [
    path("dashboard", views.dashboard, name="dashboard"),
    path("baskets/<slug:slug>", ticket_views.basket_detail, name="basket-detail"),
    path("baskets/<slug:slug>/quote", ticket_views.ticket_quote, name="ticket-quote"),
    path("baskets/<slug:slug>/close", ticket_views.position_close, name="position-close"),
    path("trades/confirm", ticket_views.trade_confirm, name="trade-confirm"),
    path("trades/<uuid:pk>", views.trade_detail, name="trade-detail"),
    path("trades/<uuid:pk>/decide", ticket_views.trade_decide, name="trade-decide"),
    path("trades/<uuid:pk>/progress", views.trade_progress_part, name="trade-progress"),
    path("portfolio", views.portfolio, name="portfolio"),
    path("portfolio/trades", views.trade_list, name="trade-list"),
    path("profile", profile_views.profile, name="profile"),
    path("profile/mode", profile_views.mode_switch, name="mode-switch"),
    path("profile/trading", profile_views.own_switch, name="own-switch"),
    path("profile/sandbox", profile_views.sandbox_connect, name="sandbox-connect"),
    path("profile/accounts/<int:pk>/check", account_views.account_check, name="account-check"),
    path("profile/accounts/<int:pk>/cash", account_views.account_cash, name="account-cash"),
    path("profile/accounts/<int:pk>/disconnect", account_views.account_disconnect, name="account-disconnect"),
    path("profile/accounts/<int:pk>/live", account_views.account_live, name="account-live"),
    path("profile/connect/<str:kind>", account_views.account_connect, name="account-connect"),
]
