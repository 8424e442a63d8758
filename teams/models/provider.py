"""Who trains models and answers for money: a provider is a row, of whoever runs the platform or of one course."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from teams.models.course import Course

FIRST_PROVIDER = "openai"  # the code of the provider that the environment names; the price book has known it from the beginning


FOR_METHOD = {"openai": "for_training", "dspy": "for_dspy"}  # the field that allows a method


class Dialect(models.TextChoices):
    """How a service wants to be asked, where it is not quite as OpenAI does."""

    OPENAI = "openai", "OpenAI, and servers that follow its API"
    AZURE = "azure", "Azure AI Foundry (a trained model is deployed before it answers)"
    NEBIUS = "nebius", "Nebius Token Factory (hyperparameters at the top level)"
    COURSE = "course", "Another installation of this platform"


class ProviderQuerySet(models.QuerySet["Provider"]):
    def kept(self) -> "ProviderQuerySet":
        return self.filter(removed_at=None)

    def for_course(self, course: Course) -> "ProviderQuerySet":
        """The course's own and the operator's."""
        return self.kept().filter(Q(course=course) | Q(course=None))

    def able(self, method: str) -> "ProviderQuerySet":
        """Those that may be used for a method; none for one that no provider has a part in."""
        return self.filter(**{FOR_METHOD[method]: True}) if method in FOR_METHOD else self.none()

    def switched_on(self) -> "ProviderQuerySet":
        """Those that new work may begin at: the environment's only while it names a key."""
        found = self.kept().filter(enabled=True)
        return found if settings.HAS_PROVIDER else found.filter(from_environment=False)


class Provider(models.Model):
    """An account at a service. Its keys are kept sealed (`teams.services.sealing`) and are never shown again.

    `code` is how runs, prices and the ledger name it; it is never given to another provider. Of the environment's own
    provider address and key stay in the environment.
    """

    course = models.ForeignKey(
        Course,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="providers",
        help_text="Whose teams may use it; empty: all courses.",
    )
    code = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=60)
    dialect = models.CharField(max_length=10, choices=Dialect.choices, default=Dialect.OPENAI)
    base_url = models.URLField(max_length=300, blank=True)
    sealed_key = models.TextField(blank=True)
    sealed_admin_key = models.TextField(
        blank=True, help_text="Reads the account's costs, nothing else."
    )
    from_environment = models.BooleanField(default=False)
    for_training = models.BooleanField(default=True)
    for_dspy = models.BooleanField(default=False)
    for_judge = models.BooleanField(default=False)
    for_drafting = models.BooleanField(default=False)
    options = models.JSONField(
        default=dict, help_text="What a dialect needs besides, by name. No secrets."
    )
    sealed_secret = models.TextField(
        blank=True, help_text="What a dialect needs besides that is secret."
    )
    enabled = models.BooleanField(default=True)
    trying_since = models.DateTimeField(
        null=True, help_text="Somebody pressed the button, and no worker has answered yet."
    )
    tried_at = models.DateTimeField(null=True)
    tried_well = models.BooleanField(default=False)
    tried_said = models.CharField(max_length=400, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    removed_at = models.DateTimeField(null=True)

    objects = ProviderQuerySet.as_manager()

    class Meta:
        ordering = ["-from_environment", "name", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(dialect__in=Dialect.values), name="provider_dialect_known"
            ),
            models.UniqueConstraint(
                fields=["from_environment"],
                condition=Q(from_environment=True),
                name="one_provider_from_the_environment",
            ),
            models.CheckConstraint(
                condition=Q(from_environment=False) | Q(course=None, sealed_key=""),
                name="environment_provider_keeps_no_key_here",
            ),
            models.UniqueConstraint(
                fields=["course", "name"],
                condition=Q(removed_at=None),
                name="provider_name_once_in_a_course",
            ),
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(removed_at=None, course=None),
                name="provider_name_once_everywhere",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def address(self) -> str:
        """Where it is asked, without a slash at the end."""
        found = settings.OPENAI_BASE_URL if self.from_environment else self.base_url
        return str(found).rstrip("/")

    @property
    def has_key(self) -> bool:
        return bool(settings.OPENAI_API_KEY) if self.from_environment else bool(self.sealed_key)

    @property
    def has_admin_key(self) -> bool:
        return (
            bool(settings.OPENAI_ADMIN_KEY)
            if self.from_environment
            else bool(self.sealed_admin_key)
        )

    @property
    def capabilities(self) -> list[str]:
        """What it may be used for, in words."""
        named = {
            "for_training": "fine-tuning",
            "for_dspy": "DSPy",
            "for_judge": "judging",
            "for_drafting": "drafting rows",
        }
        return [words for field, words in named.items() if getattr(self, field)]
