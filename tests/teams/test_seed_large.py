from courseplatform.management.commands import seed_large
from teams.models import BudgetAccount, LedgerEntry, Membership, User
from teams.services import costs
from training.models import TrainingRun


def test_a_large_course_is_whole_in_proportion_and_its_pages_open(client_for, db, monkeypatch):
    monkeypatch.setattr(seed_large, "ENTRIES", 70)
    monkeypatch.setattr(seed_large, "RUNS", 8)
    course = seed_large.make_large_course(3)
    assert Membership.objects.filter(course=course, role="student").count() == 15
    assert TrainingRun.objects.filter(team__course=course).count() == 24
    assert LedgerEntry.objects.filter(account__team__course=course).count() == 210
    for account in BudgetAccount.objects.filter(team__course=course):
        assert account.entries.latest("id").after == account.spent == sum(row.delta for row in account.entries.all())
    assert sum(row.spent for row in costs.by_team(course)) == sum(row["cost"] for row in costs.grouped(course, "day"))
    assert len(costs.grouped(course, "day")) == seed_large.DAYS
    client = client_for(User.objects.get(email=seed_large.INSTRUCTOR))
    for path in ("", "costs/", "costs/by/person/", "grades/", "people/"):
        assert client.get(f"/courses/{course.pk}/{path}").status_code == 200
