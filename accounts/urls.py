from allauth.account import views as allauth
from django.urls import include, path, re_path

from accounts import views

urlpatterns = [
    path("login", allauth.login, name="account_login"),
    path("register", allauth.signup, name="account_signup"),
    path("logout", allauth.logout, name="account_logout"),
    path("account/inactive", allauth.account_inactive, name="account_inactive"),
    path("account/reauthenticate", allauth.reauthenticate, name="account_reauthenticate"),
    path("account/email", allauth.email, name="account_email"),
    path("account/confirm-email", allauth.email_verification_sent, name="account_email_verification_sent"),
    re_path(r"^account/confirm-email/(?P<key>[-:\w]+)$", allauth.confirm_email, name="account_confirm_email"),
    path("account/password", allauth.password_change, name="account_change_password"),
    path("account/password/set", allauth.password_set, name="account_set_password"),
    path("account/password/reset", allauth.password_reset, name="account_reset_password"),
    path("account/password/reset/sent", allauth.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^account/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)$",
        allauth.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "account/password/reset/done",
        allauth.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("account/sessions/", include("allauth.usersessions.urls")),
    path("account/2fa/", include("allauth.mfa.urls")),
    path("notices", views.notices, name="notices"),
    path("notices/read", views.notices_read, name="notices-read"),
    path("notices/<int:pk>/open", views.notice_open, name="notice-open"),
    path("developer", views.developer, name="developer"),
    path("developer/keys/<str:prefix>/rotate", views.developer_rotate, name="developer-rotate"),
    path("developer/keys/<str:prefix>/revoke", views.developer_revoke, name="developer-revoke"),
]
