"""Links that open something for whoever reads a mailbox. They are made when a mail leaves, and kept nowhere."""

from django.contrib.auth.tokens import default_token_generator
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from teams.models import User


def password_link(person: User) -> str:
    """A path that works once, for settings.PASSWORD_RESET_TIMEOUT seconds."""
    uid = urlsafe_base64_encode(force_bytes(person.pk))
    return reverse("password_set", kwargs={"uidb64": uid, "token": default_token_generator.make_token(person)})
