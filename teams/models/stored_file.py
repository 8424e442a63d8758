"""A file that the platform keeps: of which run, upload or archive, with which content, and on which shelf it lies.

The row is written after the file is on its shelf. So a row without its file means that somebody else took or changed it:
that is trouble for whoever runs the platform, and says nothing about a team.
"""

from django.db import models
from django.db.models import Q


class FileTrouble(models.TextChoices):
    """Why a file cannot be given now. Empty: nothing is known against it."""

    MISSING = "missing", "It is not where it was stored"
    ALTERED = "altered", "It is not what was stored"


class StoredFileQuerySet(models.QuerySet["StoredFile"]):
    def live(self) -> "StoredFileQuerySet":
        """Without those whose files are to be destroyed."""
        return self.filter(doomed_at=None)

    def of(self, place: str) -> "StoredFileQuerySet":
        return self.live().filter(place=place)


class StoredFile(models.Model):
    """`place` is the folder of a run, an upload or an archive, such as `runs/<key>`; `name` lies in it."""

    place = models.CharField(max_length=80)
    name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField(help_text="Bytes.")
    shelf = models.CharField(
        max_length=200,
        blank=True,
        help_text="Name of the storage that has it, without secrets; empty: the folder under VAR_DIR.",
    )
    stored_at = models.DateTimeField(auto_now_add=True)
    trouble = models.CharField(max_length=8, choices=FileTrouble.choices, blank=True)
    trouble_at = models.DateTimeField(null=True)
    doomed_at = models.DateTimeField(
        null=True, help_text="Its file is to be destroyed; the row goes once that is done."
    )

    objects = StoredFileQuerySet.as_manager()

    class Meta:
        ordering = ["place", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["place", "name"],
                condition=Q(doomed_at=None),
                name="stored_file_once_in_its_place",
            ),
            models.CheckConstraint(
                condition=Q(size__gte=0), name="stored_file_size_not_negative"
            ),
        ]
        indexes = [
            models.Index(fields=["place", "sha256"]),
            models.Index(
                fields=["doomed_at"], condition=~Q(doomed_at=None), name="doomed_files"
            ),
            models.Index(fields=["trouble"], condition=~Q(trouble=""), name="troubled_files"),
        ]

    def __str__(self) -> str:
        return f"{self.place}/{self.name}"

    @property
    def key(self) -> str:
        """Its name on a shelf: by content, within its place, so that deleting a place takes nobody else's file along."""
        return f"{self.place}/{self.sha256}"
