"""`manage.py setup`: the first organisation, administrator and API keys of an installation."""

import getpass
import os

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.text import slugify

from connect.organizations.models import SCOPES, ApiKey, Environment, Organization


class Command(BaseCommand):
    help = "Make the first organisation, an administrator, and one API key an environment. Keys are shown once."

    def add_arguments(self, parser):
        parser.add_argument("--organization", required=True, help="Its name, as patients will read it.")
        parser.add_argument("--admin", required=True, help="User name of the administrator.")
        parser.add_argument("--email", default="", help="The administrator's e-mail address.")

    def handle(self, *, organization, admin, email, **options):
        password = os.environ.get("ADMIN_PASSWORD") or getpass.getpass("Password for the administrator: ")
        try:
            validate_password(password)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        with transaction.atomic():
            owner, made = Organization.objects.get_or_create(
                slug=slugify(organization), defaults={"name": organization}
            )
            if not made:
                raise CommandError(f"The organisation {owner.name} exists already; make further keys in the admin.")
            if get_user_model().objects.filter(username=admin).exists():
                raise CommandError(f"The user {admin} exists already.")
            get_user_model().objects.create_superuser(admin, email, password)
            keys = {environment: self._new_key(owner, environment) for environment in Environment}
        self.stdout.write(f"Organisation {owner.name} ({owner.pk}), administrator {admin}.")
        for environment, secret in keys.items():
            self.stdout.write(f"{environment} API key, shown only now: {secret}")

    def _new_key(self, owner: Organization, environment: str) -> str:
        secret = ApiKey.new_secret(environment)
        key = ApiKey(organization=owner, environment=environment, name="first key", scopes=list(SCOPES))
        key.adopt(secret)
        key.save()
        return secret
