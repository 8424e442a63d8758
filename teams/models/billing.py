"""What the provider says it billed, beside what our ledgers say. Rows are only ever added."""

from django.db import models


class BillCheck(models.Model):
    """One night's look at the provider's bill. A night that failed says why; the next one tries again."""

    night = models.DateField(help_text="The day (UTC) on which it was looked.")
    provider = models.CharField(max_length=40)
    at = models.DateTimeField(auto_now_add=True)
    failed = models.CharField(
        max_length=300, blank=True, help_text="Why nothing could be compared, for a person."
    )

    class Meta:
        ordering = ["-night", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["night", "provider"], name="one_bill_check_a_night")
        ]


class BilledDay(models.Model):
    """One day (UTC) as a check found it; micro-dollars. A later check that finds something else adds a row of its own."""

    check_made = models.ForeignKey(BillCheck, on_delete=models.CASCADE, related_name="days")
    day = models.DateField()
    billed = models.BigIntegerField(help_text="The provider's word.")
    booked = models.BigIntegerField(help_text="The sum of all ledgers of this platform.")

    class Meta:
        ordering = ["-day", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["check_made", "day"], name="billed_day_once_a_check")
        ]

    @property
    def difference(self) -> int:
        """Micro-dollars that were billed and are in no ledger; negative where the ledgers have more."""
        return self.billed - self.booked
