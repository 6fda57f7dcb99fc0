from django.urls import path

from accounts.api.views import ApiKeyDetail, ApiKeyList

urlpatterns = [
    path("api-keys", ApiKeyList.as_view(), name="internal-api-keys"),
    path("api-keys/<slug:prefix>", ApiKeyDetail.as_view(), name="internal-api-key"),
]
