"""`manage.py setup`: what a new installation needs before its first patient."""

import getpass
import os

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.text import slugify

from connect.audit.actions import SYSTEM
from connect.operations import roles
from connect.organizations.actions import make_key
from connect.organizations.models import SCOPES, Environment, Organization
from portals import keys
from portals.models import SigningKey


class Command(BaseCommand):
    help = (
        "Make the first organisation, an administrator, one API key an environment (shown once), the roles, and the "
        "keys that sign for portals. The password is asked for, or taken from ADMIN_PASSWORD."
    )

    def add_arguments(self, parser):
        parser.add_argument("--organization", required=True, help="Its name, as patients will read it.")
        parser.add_argument("--admin", required=True, help="User name of the administrator.")
        parser.add_argument("--email", default="", help="The administrator's e-mail address.")

    def handle(self, *, organization, admin, email, **options):
        password = os.environ.get("ADMIN_PASSWORD") or getpass.getpass("Password for the administrator: ")
        with transaction.atomic():
            self._make_administrator(admin, email, password)
            owner = self._make_organization(organization)
            roles.install()
            if not SigningKey.objects.exists():
                keys.rotate(by=SYSTEM)
            secrets = {environment: self._make_key(owner, environment) for environment in Environment}
        self.stdout.write(f"Organisation {owner.name} ({owner.pk}), administrator {admin}.")
        for environment, secret in secrets.items():
            self.stdout.write(f"{environment} API key, shown only now: {secret}")

    def _make_administrator(self, name: str, email: str, password: str) -> None:
        users = get_user_model().objects
        if users.filter(username=name).exists():
            raise CommandError(f"The user {name} exists already.")
        try:
            validate_password(password)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        users.create_superuser(name, email, password)

    def _make_organization(self, name: str) -> Organization:
        owner, made = Organization.objects.get_or_create(slug=slugify(name), defaults={"name": name})
        if not made:
            raise CommandError(f"The organisation {owner.name} exists already; make further keys in the admin.")
        return owner

    def _make_key(self, owner: Organization, environment: str) -> str:
        _, secret = make_key(
            organization=owner, environment=environment, name="first key", scopes=list(SCOPES), by=SYSTEM
        )
        return secret
