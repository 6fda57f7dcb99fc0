"""Pages about keys (make one, see it once, revoke it), and what a person is told."""

from allauth.core.exceptions import ReauthenticationRequired
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.api_keys import KeyRefused, create_key, revoke_key, rotate_key
from accounts.forms import ApiKeyForm
from accounts.models import ApiKey, Notification
from accounts.notices import read_all, read_one
from accounts.people import person_of
from accounts.stepup import needs_step_up
from itomarkets.lib import clock

NOTICES_A_PAGE = 50


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def developer(request: HttpRequest) -> HttpResponse:
    """Show a person's keys; a POST makes one and its answer is the only page that shows the secret."""
    form, secret, status = ApiKeyForm(), "", 200
    if request.method == "POST":
        form = ApiKeyForm(request.POST)
        if form.is_valid():
            values = form.cleaned_data
            if needs_step_up(request, scopes=values["scopes"]):
                raise ReauthenticationRequired()
            try:
                created = create_key(
                    user=person_of(request),
                    name=values["name"],
                    scopes=values["scopes"],
                    environment=values["environment"],
                    expires_at=values["expires_at"],
                    rate_limit_per_hour=values["rate_limit_per_hour"],
                    allowed_networks=values["allowed_networks"],
                    now=clock.now(),
                    request_id=getattr(request, "request_id", ""),
                )
            except KeyRefused as error:
                form.add_error(None, str(error))
            else:
                form, secret, status = ApiKeyForm(), created.secret, 201
        if not secret:
            status = 422
    return _developer_page(request, form=form, secret=secret, status=status)


def _developer_page(request: HttpRequest, *, form: ApiKeyForm, secret: str, status: int) -> HttpResponse:
    keys = list(ApiKey.objects.filter(user=person_of(request)).select_related("replaced_by"))
    context = {
        "form": form,
        "secret": secret,
        "keys": sorted(keys, key=lambda key: key.state != "active"),
        "base_url": request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "accounts/developer.html", context, status=status)


@login_required
@never_cache
@require_POST
def developer_rotate(request: HttpRequest, prefix: str) -> HttpResponse:
    """Make the key that follows one; the answer is the only page that shows its secret."""
    row = get_object_or_404(ApiKey, user=person_of(request), prefix=prefix)
    if needs_step_up(request, scopes=row.scopes):
        raise ReauthenticationRequired()
    try:
        created = rotate_key(
            user=person_of(request), prefix=prefix, now=clock.now(), request_id=getattr(request, "request_id", "")
        )
    except KeyRefused as error:
        messages.error(request, str(error))
        return redirect("developer")
    return _developer_page(request, form=ApiKeyForm(), secret=created.secret, status=201)


@login_required
@require_POST
def developer_revoke(request: HttpRequest, prefix: str) -> HttpResponse:
    try:
        row = revoke_key(
            user=person_of(request),
            prefix=prefix,
            now=clock.now(),
            request_id=getattr(request, "request_id", ""),
        )
    except ApiKey.DoesNotExist as error:
        raise Http404 from error
    messages.success(request, f"The key “{row.name}” is revoked. Programs that use it get 401 from now on.")
    return redirect("developer")


@login_required
@require_safe
def notices(request: HttpRequest) -> HttpResponse:
    """Show what a person was told, the newest first; looking marks nothing as read."""
    rows = Notification.objects.filter(user=person_of(request))
    page = Paginator(rows, NOTICES_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "accounts/notices.html", {"page": page})


@login_required
@require_POST
def notice_open(request: HttpRequest, pk: int) -> HttpResponse:
    """Mark one notice as read and go where it points."""
    try:
        row = read_one(user=person_of(request), pk=pk, now=clock.now())
    except Notification.DoesNotExist as error:
        raise Http404 from error
    return redirect(row.url)


@login_required
@require_POST
def notices_read(request: HttpRequest) -> HttpResponse:
    """Mark everything as read."""
    read_all(user=person_of(request), now=clock.now())
    return redirect("notices")
