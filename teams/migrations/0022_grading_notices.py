"""Kinds of notice about grading: for instructors, grades that wait for a decision; for professors, what waits for them."""

from django.db import migrations, models

KINDS = [
    ("run", "A run finished or failed"),
    ("grade", "A grade was released or decided"),
    ("waiting", "A bot or a second look waits for you"),
    ("decision", "Grades that wait for your decision"),
    ("dataset", "A dataset version is ready"),
    ("budget", "Budget alerts and requests"),
    ("comment", "Comments on your work"),
    ("team", "Requests to be in a team"),
    ("announcement", "Announcements"),
]


class Migration(migrations.Migration):
    dependencies = [("teams", "0021_dataset_notices")]

    operations = [
        migrations.AlterField("mailchoice", "kind", models.CharField(choices=KINDS, max_length=14)),
        migrations.AlterField("notice", "kind", models.CharField(choices=KINDS, max_length=14)),
    ]
