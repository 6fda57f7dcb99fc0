"""Limits of API use."""

from rest_framework.throttling import BaseThrottle


class KeyRateThrottle(BaseThrottle):
    def allow_request(self, request: object, view: object) -> bool:
        return True
