import json
from typing import Any

from django.db import models
from django.db.models import Case, Q, Value, When
from django.utils import timezone

from datasets.services.base_folders import TINY, base_folder
from teams.methods import choices
from teams.models import Course, Provider
from training import methods

DEFAULTS_FILE = "lora_defaults.json"


class Hosting(models.TextChoices):
    BUNDLED = "bundled", "Comes with the platform"
    HUGGING_FACE = "hugging_face", "Hugging Face id or local folder"
    PROVIDER = "provider", "At the provider"
    ELSEWHERE = "elsewhere", "On another platform: known by name only"


class Trial(models.TextChoices):
    """Whether an added model was found to train and to answer here. Empty: it came with the platform, or is a provider's."""

    WAITING = "waiting", "Waits to be tried"
    TRYING = "trying", "Being tried"
    FIT = "fit", "Tried, and fit"
    UNFIT = "unfit", "Tried, and not usable"


NOT_FIT = (Trial.WAITING, Trial.TRYING, Trial.UNFIT)
LOCAL = (Hosting.BUNDLED, Hosting.HUGGING_FACE)


class BaseModelQuerySet(models.QuerySet["BaseModel"]):
    def for_course(self, course: Course) -> "BaseModelQuerySet":
        mine = self.filter(Q(course=course) | Q(course=None), enabled=True)
        return mine.exclude(hosting=Hosting.ELSEWHERE).exclude(trial__in=NOT_FIT)

    def listed(self, course: Course) -> "BaseModelQuerySet":
        """As the instructor sees them: the course's own, also those that are not offered now, and everybody's."""
        found = self.filter(Q(course=course) | Q(course=None, enabled=True)).exclude(method="")
        away = Q(provider__in=Provider.objects.for_course(course).switched_on())
        return found.filter(away | ~Q(hosting=Hosting.PROVIDER))

    def offered(self, course: Course, method: str) -> "BaseModelQuerySet":
        """What a new run may start from: models of providers that are switched on for this method, and what is here.

        The bases on this machine are listed for LoRA, and the OpenAI method trains them too: the platform is a service of
        its own. DSPy optimises a prompt, so it may ask any model: also these bases, but for the tests' tiny one, whose memory
        holds no demonstrations. A model that its provider has switched off is offered no more.
        """
        here = Q(hosting__in=LOCAL)
        wanted = Q(method=method) & here
        able = Provider.objects.for_course(course).switched_on().able(str(method))
        alive = Q(shutdown_on=None) | Q(shutdown_on__gt=timezone.localdate())
        wanted |= Q(method=method, hosting=Hosting.PROVIDER, provider__in=able) & alive
        asked = methods.get(method)
        if asked.borrows_bases:
            borrowed = Q(method__in=methods.where(lambda one: one.leaves_adapter)) & here
            wanted |= borrowed & ~Q(name=TINY) if asked.is_program else borrowed
        return self.for_course(course).filter(wanted).select_related("provider")

    def first_choice_first(self) -> "BaseModelQuerySet":
        """Models of providers, where there are any; then what is on this machine."""
        rank = Case(When(hosting__in=LOCAL, then=Value(2)), default=Value(1))
        return self.order_by(rank, "id")


class BaseModel(models.Model):
    """A model that teams of a course may start from. Without a course: offered everywhere."""

    course = models.ForeignKey(
        Course, on_delete=models.CASCADE, null=True, blank=True, related_name="base_models"
    )
    method = models.CharField(
        max_length=10,
        choices=choices,
        blank=True,
        help_text="Empty: of a provider, and only asked, to judge or to draft.",
    )
    name = models.CharField(
        max_length=200, help_text="Folder name, Hugging Face id, or the provider's model name."
    )
    label = models.CharField(max_length=120)
    hosting = models.CharField(max_length=14, choices=Hosting.choices)
    rehearsal = models.BooleanField(
        default=False, help_text="Of earlier versions: answered by a stand-in that is gone."
    )
    provider = models.ForeignKey(
        Provider,
        on_delete=models.PROTECT,
        null=True,
        related_name="models",
        help_text="Whose it is, where it is not here.",
    )
    shutdown_on = models.DateField(null=True, blank=True)
    shutdown_source = models.CharField(
        max_length=200, blank=True, help_text="Where that date is from, and of when."
    )
    enabled = models.BooleanField(default=True)
    weights_sha256 = models.CharField(
        max_length=64, blank=True, help_text="Of the weights that lie here."
    )
    trouble = models.CharField(
        max_length=500, blank=True, help_text="Why it cannot be used here, and what to do."
    )
    trial = models.CharField(max_length=8, choices=Trial.choices, blank=True)
    trial_stage = models.CharField(
        max_length=80, blank=True, help_text="What is being tried now."
    )
    trial_attempts = models.PositiveSmallIntegerField(default=0)
    trial_alive_at = models.DateTimeField(
        null=True, help_text="When whoever tries it last said so."
    )
    facts = models.JSONField(
        default=dict, help_text="What the trial found: parameters, layers, template, answer."
    )

    objects = BaseModelQuerySet.as_manager()

    class Meta:
        ordering = ["method", "label"]
        constraints = [
            models.UniqueConstraint(
                fields=["course", "method", "name"],
                condition=Q(provider=None),
                name="base_model_once_per_course",
            ),
            models.UniqueConstraint(
                fields=["method", "name"],
                condition=Q(course=None, provider=None),
                name="base_model_once_everywhere",
            ),
            models.UniqueConstraint(
                fields=["provider", "method", "name"], name="base_model_once_at_a_provider"
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def at_trial(self) -> bool:
        return self.trial in (Trial.WAITING, Trial.TRYING)

    @property
    def unfit(self) -> bool:
        return self.trial == Trial.UNFIT

    @property
    def local(self) -> bool:
        """Runs on this machine, whatever the key."""
        return self.hosting in LOCAL

    def suggested(self) -> dict[str, Any]:
        """LoRA settings that were found to suit this model; empty where nobody has measured any."""
        path = base_folder(self.name) / DEFAULTS_FILE
        if self.hosting != Hosting.BUNDLED or not path.is_file():
            return {}
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}

    @property
    def weights(self) -> str:
        """What the LoRA engine and the model server load: a folder or a Hugging Face id."""
        return str(base_folder(self.name)) if self.hosting == Hosting.BUNDLED else self.name
