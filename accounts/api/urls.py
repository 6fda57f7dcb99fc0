from django.urls import path

from accounts.api.views import ApiKeyDetail, ApiKeyList, ApiKeyRotation, ApiKeyUse

urlpatterns = [
    path("api-keys", ApiKeyList.as_view(), name="internal-api-keys"),
    path("api-keys/<slug:prefix>", ApiKeyDetail.as_view(), name="internal-api-key"),
    path("api-keys/<slug:prefix>/rotate", ApiKeyRotation.as_view(), name="internal-api-key-rotation"),
    path("api-keys/<slug:prefix>/usage", ApiKeyUse.as_view(), name="internal-api-key-usage"),
]
