"""A course archive becomes a course: read in a child of its own, kept row by row under this platform's rules, shown at the end.

Until the last step nobody is a member of the course, so nobody sees half of it. An attempt that fails, or that was killed,
is undone: its rows, its people and its files.
"""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import msgspec
from django.db import transaction
from msgspec import Meta

from courseplatform import removing
from courseplatform.course_archive import kinds, room
from courseplatform.course_archive.artefacts import Artefacts
from courseplatform.course_archive.rows import ArchiveRefused, Known, Line
from courseplatform.course_archive.tables import COURSE, RUN, TABLES, Table
from datasets.models import DatasetVersion
from datasets.services import measure
from teams import sandbox
from teams.models import AT_WORK, ArchiveImport, BudgetAccount, Course, Membership, Role, User
from teams.services import archive_imports, audit, ledger_sums
from teams.services.imported_people import NOWHERE
from teams.services.storage import files
from training.models import TrainingRun
from training.services import base_models, kept_files

CHILD = "courseplatform.course_archive.child"
LIMITS = sandbox.Limits(seconds=600, cpu_seconds=500, memory_mb=2048, file_mb=4096, output_mb=16)
MOST_ROWS_BYTES = 3_000_000_000


class Person(msgspec.Struct, frozen=True):
    pk: int
    email: Annotated[str, Meta(max_length=254)]
    name: Annotated[str, Meta(max_length=120)]


class Proof(msgspec.Struct, frozen=True):
    key: str
    model: str
    proof: str


class Answer(msgspec.Struct, frozen=True):
    """What the child says. `tables`: where in `rows` each table begins, and how many rows it has."""

    tables: dict[str, tuple[int, int]]
    people: list[Person]
    proofs: list[Proof]


def read_course_archive(*, import_id: int, attempt: int) -> str:
    """The worker's job: the course, or a sentence why not. What the archive cannot help is raised, and tried again."""
    import_ = archive_imports.begin(import_id=import_id, attempt=attempt)
    if import_ is None:
        return "not needed"
    undo(import_)  # what an attempt left that was killed
    if archive_imports.is_hopeless(import_):
        archive_imports.refuse(import_, archive_imports.BROKE_DOWN)
        return "given up"
    try:
        course = bring_course(import_=import_, beat=archive_imports.heartbeat(import_))
    except archive_imports.Superseded:
        return "superseded"
    except (ArchiveRefused, sandbox.SandboxError) as refused:
        archive_imports.refuse(import_, str(refused))
        return "refused"
    archive_imports.forget_file(import_)
    for version in DatasetVersion.objects.filter(dataset__team__course=course):
        measure.start(version)
    return f"course {course.pk}"


def bring_course(*, import_: ArchiveImport, beat: Callable[[str], None]) -> Course:
    """Raises ArchiveRefused or sandbox.SandboxError with a sentence, and leaves nothing behind then."""
    inputs = {"upload": files.local(import_.place, import_.file_path.name)}
    with sandbox.opened(
        CHILD, limits=LIMITS, files=inputs, folder=import_.folder / "box"
    ) as box:
        beat("Checking every row and file in it")
        told = {"methods": kept_files.as_request(kept_files.in_a_course())}
        said = box.run(told, on_tick=lambda: beat(""))
        answer = msgspec.convert(said, Answer, strict=False)
        arrival = Arrival(import_, box, answer, beat)
        try:
            return arrival.bring()
        except BaseException:
            undo(import_)
            raise


def undo(import_: ArchiveImport) -> None:
    """Take back what an attempt made that did not come to its end. Nothing, once another attempt has begun."""
    mine = ArchiveImport.objects.filter(
        pk=import_.pk, attempt=import_.attempt, status__in=AT_WORK
    )
    found = mine.select_related("course").first()
    if found is None:
        return
    if found.course is not None:
        places = [run.place for run in TrainingRun.objects.filter(team__course=found.course)]
        removing.delete_rows(found.course)
        for place in places:
            files.forget(place)
    found.names().delete()


class Arrival:
    """One archive that was read, on its way in. `known` says what its numbers and names are here."""

    def __init__(
        self,
        import_: ArchiveImport,
        box: sandbox.Box,
        answer: Answer,
        beat: Callable[[str], None],
    ) -> None:
        self.import_, self.box, self.answer, self.beat = import_, box, answer, beat
        self.person = import_.person
        self.known = Known()
        self.emails: dict[int, str] = {}
        self.proofs = {proof.key: proof for proof in answer.proofs}
        self.course: Course | None = None
        self.waiting: dict[str, list[Line]] = {}

    def bring(self) -> Course:
        self._make_people()
        for table in TABLES:
            self.beat(f"Keeping {table.label.partition('.')[2]} rows")
            kinds.keep(self, table, list(self.lines(table)))
            if table.label == COURSE:
                room.reserve(self)
            if table.label == RUN:
                Artefacts(self).keep()
        course = self.course
        if course is None:
            raise ArchiveRefused(f"{COURSE}.jsonl: There is no course in this file.")
        self.beat("Adding up what was spent")
        kinds.check_money(self, course)
        ledger_sums.rebuild(BudgetAccount.objects.filter(team__course=course))
        self._open(course)
        return course

    def lines(self, table: Table) -> Iterator[Line]:
        """The table's rows as the child cleaned them."""
        start, count = self.answer.tables.get(table.label, (0, 0))
        with self.box.open("rows", most_bytes=MOST_ROWS_BYTES) as file:
            file.seek(start)
            for _ in range(count):
                number, row = msgspec.json.decode(
                    file.readline(), type=tuple[int, dict[str, Any]]
                )
                yield number, row

    def _make_people(self) -> None:
        """Everybody but the importer becomes a name that nobody can sign in as: see docs/adr/0007."""
        start = self.import_.name_start
        made: list[tuple[int, User]] = []
        for person in self.answer.people:
            if person.email == self.person.email:
                self.known.people[person.pk] = self.person.pk
                continue
            account = User(
                email=f"{start}{len(made)}{NOWHERE}", name=person.name, is_active=False
            )
            account.set_unusable_password()
            made.append((person.pk, account))
            self.emails[person.pk] = person.email
        with transaction.atomic():
            User.objects.bulk_create([account for _, account in made], batch_size=500)
        self.known.people |= {number: account.pk for number, account in made}

    def _open(self, course: Course) -> None:
        """The last step, all at once: the importer becomes an instructor of it, and it is on record."""
        counts = {label: count for label, (_, count) in self.answer.tables.items() if count}
        with transaction.atomic():
            room.settle(self, course)
            Membership.objects.update_or_create(
                course=course,
                person=self.person,
                defaults={
                    "role": Role.INSTRUCTOR,
                    "team": None,
                    "active": True,
                    "imported_email": "",
                },
            )
            audit.record(
                course=course,
                person=self.person,
                action=audit.IMPORTED,
                what=str(course),
                after=counts,
            )
            archive_imports.done(self.import_, course=course, report=counts)
            transaction.on_commit(base_models.write_list)
