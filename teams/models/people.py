from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Raises ValueError when the e-mail address is empty."""
        if not email:
            raise ValueError("A person needs an e-mail address to sign in.")
        return self.create_hashed(email, make_password(password), **fields)

    def create_hashed(self, email: str, hashed: str, **fields: Any) -> "User":
        """With a password that was hashed already: that takes long, and a transaction would keep all others waiting."""
        if not email:
            raise ValueError("A person needs an e-mail address to sign in.")
        user = self.model(email=self.normalize_email(email).lower(), password=hashed, **fields)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """By `manage.py createsuperuser`: who can write to the server's database needs no mail to show who they are."""
        return self.create_user(
            email,
            password,
            is_staff=True,
            is_superuser=True,
            email_verified_at=timezone.now(),
            **fields,
        )

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A person. What they may do is decided per course (`Membership`), never here."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120)
    email_verified_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When somebody showed that this address is theirs; empty: nobody did.",
    )
    second_factor_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When a second factor was set up; empty: a password is enough. Sessions name this moment.",
    )
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    joined_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_unique_ignoring_case")
        ]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def page_mark(self) -> str:
        """By what an open page knows whose it is: what is kept on a shared device belongs to one person. No primary key."""
        return salted_hmac("teams.page_mark", str(self.pk), algorithm="sha256").hexdigest()[:16]

    @property
    def is_expected(self) -> bool:
        """Invited, and has not shown yet that the address is theirs: only the mailed link, or the university, lets them in."""
        return self.is_active and not self.is_proven and not self.has_usable_password()

    @property
    def is_proven(self) -> bool:
        """Whoever signs in with this account can read the mailbox of its address, or could when they showed it."""
        return self.email_verified_at is not None


class OutsideIdentity(models.Model):
    """This person is that subject at an outside sign-in service (OpenID Connect), whatever their address there becomes."""

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="identities"
    )
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    linked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["issuer", "subject"], name="outside_identity_one_person"
            ),
            models.UniqueConstraint(
                fields=["person", "issuer"], name="outside_identity_one_at_a_service"
            ),
        ]
