from django.urls import path

from accounts.api.views import ApiKeyDetail, ApiKeyList

urlpatterns = [
    path("api-keys", ApiKeyList.as_view(), name="internal-api-keys"),
    path("api-keys/<str:prefix>", ApiKeyDetail.as_view(), name="internal-api-key"),
]
