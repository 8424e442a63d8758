import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from courseplatform.demo import runs
from courseplatform.demo.archives import FOLDER, file_of
from teams.models import Team, User
from training.models import RunStatus, TrainingRun
from training.services import bundle

LOOK_SECONDS = 2.0


class Command(BaseCommand):
    help = "Train the demo's bots with this platform's own parts and write their archives. Wants a platform that runs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--into", default=str(FOLDER), help="the folder to write into")

    def handle(self, *args: Any, **options: Any) -> None:
        team = Team.objects.select_related("course").get(name="Maple")
        person = User.objects.get(email="maple@demo.example")
        Path(options["into"]).mkdir(parents=True, exist_ok=True)
        for name in (runs.LORA, runs.DSPY):
            done = TrainingRun.objects.for_team(team).finished().filter(name=name).first()
            run = done or runs.start(team=team, person=person, name=name)
            self._wait(run)
            path = Path(options["into"]) / file_of(name).name
            part = path.with_suffix(".part")
            with part.open("wb") as out:
                bundle.write_into(TrainingRun.objects.with_related().get(pk=run.pk), out)
            part.replace(path)
            self.stdout.write(f"{path}: {path.stat().st_size:,} bytes")

    def _wait(self, run: TrainingRun) -> None:
        """Until it is over: as long as it takes, with its progress told."""
        told = ""
        while run.is_active:
            time.sleep(LOOK_SECONDS)
            run.refresh_from_db()
            now = f"{run}: {run.get_status_display()}, {run.step} of {run.total_steps}"
            if now != told:
                self.stdout.write(now)
                told = now
        if run.status != RunStatus.SUCCEEDED:
            raise CommandError(f"{run} ended as {run.status}: {run.error_message}")
