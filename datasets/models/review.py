"""The guide's "validate with teachers": comments on rows and approvals, given blind."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.crypto import salted_hmac

from datasets.models.dataset import Dataset, DatasetVersion
from teams.models import Course, Role, Team, User


class ReviewQuerySet(models.QuerySet["Review"]):
    def for_team(self, team: Team) -> "ReviewQuerySet":
        return self.filter(version__dataset__team=team)

    def for_reviewer(self, course: Course, person: User) -> "ReviewQuerySet":
        """Open reviews that this person may see: an instructor all, a professor those of assigned teams and of teams
        that nobody is assigned to."""
        reviews = self.filter(
            version__dataset__team__course=course, closed_at=None
        ).select_related("version__dataset")
        membership = course.memberships.get(person=person)
        if membership.role == Role.INSTRUCTOR:
            return reviews
        mine = Team.objects.filter(course=course).filter(
            models.Q(professor_assignments__professor=membership)
            | models.Q(professor_assignments=None)
        )
        return reviews.filter(version__dataset__team__in=mine)


class Review(models.Model):
    """A team's request that teachers look at the rows of a version. Each reader knows it by a code of her own."""

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    version = models.OneToOneField(
        DatasetVersion, on_delete=models.CASCADE, related_name="review"
    )
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    asked_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ["asked_at"]

    def code_for(self, reader: User) -> uuid.UUID:
        """Its name in this person's URLs. Neither the team nor another reader can tell which code is the same dataset."""
        digest = salted_hmac(
            "datasets.review", f"{self.code} {reader.pk}", algorithm="sha256"
        ).digest()
        return uuid.UUID(bytes=digest[:16], version=4)


class RowComment(models.Model):
    """A remark on a row; it stays with the row through later versions."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="row_comments")
    row_id = models.CharField(max_length=40)
    text = models.CharField(max_length=1000)
    by_reviewer = models.BooleanField(help_text="Written on the review page, not by the team.")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["dataset", "row_id"])]


class RowApproval(models.Model):
    """A reviewer found this row right. It counts only while the row still says the same."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="row_approvals")
    row_id = models.CharField(max_length=40)
    fingerprint = models.CharField(max_length=64)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["dataset", "row_id", "fingerprint", "person"],
                name="row_approved_once_by_a_person",
            )
        ]
