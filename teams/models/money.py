"""Money is integers of micro-dollars (1 USD = 1,000,000) and the database is the only counter."""

from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from teams.methods import choices
from teams.models.course import Course


class Method(models.TextChoices):
    """The methods that come with the platform, to name one. Which there are: `teams.methods.known`."""

    DSPY = "dspy", "DSPy"
    OPENAI = "openai", "OpenAI"
    LORA = "lora", "LoRA"


class HoldState(models.TextChoices):
    OPEN = "open", "Open"
    SETTLED = "settled", "Settled"
    RELEASED = "released", "Released"


class Confidence(models.TextChoices):
    EXACT = "exact", "Exact: the provider or our own clock said so"
    ESTIMATED = "estimated", "Estimated"
    UNKNOWN = "unknown", "Unknown"


class SubjectKind(models.TextChoices):
    """What money is held and charged for."""

    RUN = "run", "A run"
    TURN = "turn", "An answer in a chat"
    INTERVIEW = "interview", "A standard interview"
    JUDGE = "judge", "A judge's opinion"
    ENDPOINT = "endpoint", "An answer at the team's endpoint"
    DRAFTING = "drafting", "Drafting rows"
    GRADING = "grading", "A grader's interview"
    CORRECTION = "correction", "A correction"


class PriceKind(models.TextChoices):
    INPUT = "input", "Input tokens"
    CACHED_INPUT = "cached_input", "Cached input tokens"
    OUTPUT = "output", "Output tokens"
    TRAINING = "training", "Training tokens"


class BudgetAccount(models.Model):
    team = models.OneToOneField("teams.Team", on_delete=models.CASCADE, related_name="account")
    limit = models.BigIntegerField()
    held = models.BigIntegerField(default=0)
    spent = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(limit__gte=0), name="account_limit_not_negative"),
            models.CheckConstraint(condition=Q(held__gte=0), name="account_held_not_negative"),
            models.CheckConstraint(condition=Q(spent__gte=0), name="account_spent_not_negative"),
        ]

    @property
    def left(self) -> int:
        """Micro-dollars that can still be held; never below zero, also where an actual cost exceeded its hold."""
        return max(0, self.limit - self.spent - self.held)


class CourseAccount(models.Model):
    """What all teams of a course hold and spend together. Without a limit it only counts."""

    course = models.OneToOneField(
        "teams.Course", on_delete=models.CASCADE, related_name="account"
    )
    limit = models.BigIntegerField(null=True, blank=True)
    held = models.BigIntegerField(default=0)
    spent = models.BigIntegerField(default=0)
    told_percent = models.PositiveSmallIntegerField(
        default=0,
        help_text="The highest share of the limit that its instructors were told was reached.",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(limit__isnull=True) | Q(limit__gte=0),
                name="course_limit_not_negative",
            ),
            models.CheckConstraint(condition=Q(held__gte=0), name="course_held_not_negative"),
            models.CheckConstraint(condition=Q(spent__gte=0), name="course_spent_not_negative"),
        ]

    @property
    def left(self) -> int | None:
        """Micro-dollars that all teams together can still hold; None where the course has no limit of its own."""
        return None if self.limit is None else max(0, self.limit - self.spent - self.held)


class BudgetAlert(models.Model):
    """The team was told that it reached this share of its limit. Raising the limit removes the row."""

    account = models.ForeignKey(BudgetAccount, on_delete=models.CASCADE, related_name="alerts")
    percent = models.PositiveSmallIntegerField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "percent"], name="budget_alert_once")
        ]


class BudgetRequest(models.Model):
    """A team asks for more; an instructor answers once."""

    class State(models.TextChoices):
        OPEN = "open", "Waiting for the instructor"
        APPROVED = "approved", "Approved"
        DECLINED = "declined", "Declined"

    account = models.ForeignKey(BudgetAccount, on_delete=models.CASCADE, related_name="requests")
    amount = models.BigIntegerField(help_text="Micro-dollars on top of the limit.")
    reason = models.CharField(max_length=500)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    created_at = models.DateTimeField(auto_now_add=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0), name="budget_request_asks_for_something"
            ),
            models.UniqueConstraint(
                fields=["account"], condition=Q(state="open"), name="one_open_request_per_team"
            ),
        ]


class PaidFor(NamedTuple):
    """What money is for: a row of any app, by its kind and its public key."""

    kind: SubjectKind
    key: UUID

    def rows(self) -> Q:
        """Holds or charges that are for it."""
        return Q(purpose__kind=self.kind, purpose__key=self.key)


class Purpose(models.Model):
    """The same, kept: what holds and charges refer to. It outlives the row, as the ledger does."""

    team = models.ForeignKey("teams.Team", on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20, choices=SubjectKind.choices)
    key = models.UUIDField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "key"], name="purpose_once")]


class Hold(models.Model):
    """The most that one run or one chat turn may cost, kept aside until it is settled or released. No charge passes it."""

    account = models.ForeignKey(BudgetAccount, on_delete=models.CASCADE, related_name="holds")
    key = models.CharField(max_length=120, unique=True)
    purpose = models.ForeignKey(
        Purpose, on_delete=models.RESTRICT, null=True, blank=True, related_name="holds"
    )
    amount = models.BigIntegerField()
    expected = models.BigIntegerField(
        null=True,
        help_text="Micro-dollars estimated; for a rehearsal at the real model's price.",
    )
    state = models.CharField(max_length=10, choices=HoldState.choices, default=HoldState.OPEN)
    created_at = models.DateTimeField(auto_now_add=True)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    subject_kind = models.CharField(
        max_length=20, choices=SubjectKind.choices, default=SubjectKind.RUN
    )
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=0), name="hold_amount_not_negative")
        ]
        indexes = [models.Index(fields=["state", "expires_at"])]


class LedgerEntry(models.Model):
    """One charge. Append-only; replaying the deltas of an account gives its `spent`."""

    account = models.ForeignKey(BudgetAccount, on_delete=models.PROTECT, related_name="entries")
    key = models.CharField(max_length=120, unique=True)
    at = models.DateTimeField(auto_now_add=True)
    for_time = models.DateTimeField(
        default=timezone.now,
        db_index=True,
        help_text="When it was used: of a correction, the corrected entry's time.",
    )
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)
    delta = models.BigIntegerField()
    before = models.BigIntegerField()
    after = models.BigIntegerField()
    subject_kind = models.CharField(max_length=20, choices=SubjectKind.choices)
    subject_id = models.CharField(
        max_length=40, help_text="As the ledger's CSV names it; nothing looks it up."
    )
    purpose = models.ForeignKey(
        Purpose, on_delete=models.RESTRICT, null=True, blank=True, related_name="entries"
    )
    corrects = models.OneToOneField(
        "self",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="correction",
        help_text="The entry that this one corrects; it can be corrected once.",
    )
    method = models.CharField(max_length=10, choices=choices)
    provider = models.CharField(max_length=40)
    model = models.CharField(max_length=200)
    input_tokens = models.BigIntegerField(default=0)
    cached_input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    training_tokens = models.BigIntegerField(default=0)
    compute_seconds = models.FloatField(default=0)
    price_note = models.CharField(
        max_length=300, help_text="The prices this was computed with, their source and date."
    )
    confidence = models.CharField(max_length=10, choices=Confidence.choices)
    rehearsal = models.BooleanField(default=False)
    beyond_hold = models.BigIntegerField(
        default=0,
        help_text="Micro-dollars used above what was held: the platform's loss, charged to nobody.",
    )
    would_have_cost = models.BigIntegerField(
        null=True, help_text="Micro-dollars at the real model's price, for a rehearsal."
    )

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(after=F("before") + F("delta")),
                name="ledger_after_is_before_plus_delta",
            ),
            models.CheckConstraint(condition=Q(after__gte=0), name="ledger_after_not_negative"),
            models.CheckConstraint(
                condition=Q(beyond_hold__gte=0), name="ledger_beyond_hold_not_negative"
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-at"]),
            models.Index(fields=["subject_kind", "subject_id"]),
            models.Index(
                fields=["account", "-id"],
                condition=Q(beyond_hold__gt=0),
                name="ledger_beyond_hold",
            ),
        ]


class LedgerSum(models.Model):
    """What the ledger adds up to by one property of its entries, written in the entry's own transaction.

    Pages read it, so that they take as long with 200,000 entries as with 20,000; nothing is decided by it, and it can be
    made anew from the ledger (`ledger_sums.rebuild`).
    """

    class Field(models.TextChoices):
        USE = "use", "A method's runs, or chat"
        METHOD = "method", "Method"
        MODEL = "model", "Model"
        PERSON = "person", "Person"
        DAY = "day", "Day"

    account = models.ForeignKey(BudgetAccount, on_delete=models.CASCADE, related_name="sums")
    field = models.CharField(max_length=6, choices=Field.choices)
    group = models.CharField(
        max_length=200, help_text="The value: a name, a person's id, a day as 2026-11-22."
    )
    cost = models.BigIntegerField(default=0)
    would_have_cost = models.BigIntegerField(default=0)
    entries = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "field", "group"], name="ledger_sum_once")
        ]


class PriceQuerySet(models.QuerySet["Price"]):
    def for_course(self, course: Course) -> "PriceQuerySet":
        """The course's own and the platform's."""
        return self.filter(Q(course=course) | Q(course=None))


class Price(models.Model):
    """Micro-dollars for one million units of `kind`, from a date on. Never changed in place: a new price is a new row.

    Of several revisions from the same date on the last one counts: the earlier ones were mistyped.
    """

    course = models.ForeignKey(
        "teams.Course", on_delete=models.CASCADE, null=True, blank=True, related_name="prices"
    )
    provider = models.CharField(max_length=40)
    model = models.CharField(max_length=200)
    kind = models.CharField(max_length=20, choices=PriceKind.choices)
    per_million = models.BigIntegerField()
    effective_from = models.DateField()
    revision = models.PositiveSmallIntegerField(default=1, editable=False)
    source = models.CharField(max_length=200)

    objects = PriceQuerySet.as_manager()

    class Meta:
        ordering = ["provider", "model", "kind", "-effective_from", "-revision"]
        constraints = [
            models.UniqueConstraint(
                fields=["course", "provider", "model", "kind", "effective_from", "revision"],
                name="price_revision_once_in_a_course",
            ),
            models.UniqueConstraint(
                fields=["provider", "model", "kind", "effective_from", "revision"],
                condition=Q(course=None),
                name="price_revision_once_for_everyone",
            ),
            models.CheckConstraint(condition=Q(per_million__gte=0), name="price_not_negative"),
        ]
        indexes = [models.Index(fields=["provider", "model", "kind", "-effective_from"])]
