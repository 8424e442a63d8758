"""New people."""

from django.db import transaction

from teams.models import Membership, User
from teams.services import courses


def sign_up(*, name: str, email: str, password: str, code: str) -> Membership:
    """A new account and its first course, or neither. Raises courses.CourseRefused for a wrong code."""
    with transaction.atomic():
        person = User.objects.create_user(email, password, name=name)
        return courses.join_course(person=person, code=code)
