"""The WSGI application that gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

from connect.checks import insist

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connect.settings")

application = get_wsgi_application()
insist()
