"""What shows, beside the password, that it is the person: an app's codes, passkeys, recovery codes. And open sign-ins."""

from django.conf import settings
from django.db import models
from django.utils import timezone

# What a browser's name for itself holds, most telling first: Edge also says Chrome, and Chrome says Safari.
BROWSERS = (("Edg", "Edge"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"),
    ("Mac OS", "Mac"), ("CrOS", "Chromebook"), ("Linux", "Linux"),
)  # fmt: skip


class SecondFactorPolicy(models.TextChoices):
    """Who must have a second factor before they change what costs money or counts."""

    NOBODY = "", "Nobody has to"
    STAFF = "staff", "Everyone who teaches, grades or sets budgets"
    EVERYONE = "everyone", "Everyone, students too"


class TotpDevice(models.Model):
    """An authenticator app: six digits from a shared secret and the time (RFC 6238)."""

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="totp_device"
    )
    sealed_secret = models.TextField(help_text="Base32, sealed for this person.")
    confirmed_at = models.DateTimeField(null=True, help_text="Empty while it is being set up.")
    last_step = models.BigIntegerField(
        default=0, help_text="The newest half minute whose code was used: none works twice."
    )

    def __str__(self) -> str:
        return f"the authenticator app of {self.person}"


class Passkey(models.Model):
    """A WebAuthn credential: a phone, a laptop's finger print, a security key."""

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="passkeys"
    )
    name = models.CharField(max_length=60)
    credential_id = models.CharField(max_length=1400, unique=True, help_text="Base64url.")
    public_data = models.BinaryField(
        help_text="The attested credential data, with the public key."
    )
    counter = models.BigIntegerField(default=0, help_text="Of its uses; 0 where it counts none.")
    made_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]


class RecoveryCode(models.Model):
    """One unused code for somebody who lost the device. Only a keyed hash is kept."""

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="recovery_codes"
    )
    digest = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "digest"], name="recovery_code_once")
        ]


class SignedInBrowser(models.Model):
    """A browser in which somebody is signed in, so that they see it and can sign out there."""

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="signed_in_browsers"
    )
    session_key = models.CharField(max_length=40, db_index=True)
    browser = models.CharField(max_length=200, help_text="What it calls itself.")
    address = models.CharField(max_length=45, help_text="The network address it last came from.")
    signed_in_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-seen_at"]

    @property
    def device(self) -> str:
        """Browser and system in two words, from what the browser calls itself."""
        found = [name for sign, name in BROWSERS if sign in self.browser][:1]
        system = [name for sign, name in SYSTEMS if sign in self.browser][:1]
        return " on ".join(found + system) or "Unknown browser"
