"""The pages for uvicorn, which `up` uses where gunicorn does not run: its WSGI side refuses Django's cookies."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "itomarkets.settings")
application = get_asgi_application()
