"""What is stored where, how long, and who sees it. A test compares it with the models: a new table must be told here."""

from dataclasses import dataclass

COURSE = "as long as the course"
ACCOUNT = "as long as the account"
TEAM = "the team, its instructors and assistants"
TEACHERS = "instructors and assistants of the course"
HERSELF = "the person"
OPERATOR = "whoever runs the platform"
ALL = "everyone in the course"


@dataclass(frozen=True)
class Place:
    """One kind of data. `personal`: it can tell who somebody is, or what they did."""

    what: str
    kept: str
    seen_by: str
    personal: bool = True
    where: str = "database"


def _places(*rows: tuple[str, Place]) -> dict[str, Place]:
    found: dict[str, Place] = {}
    for labels, place in rows:
        found.update(dict.fromkeys(labels.split(), place))
    return found


PLACES = _places(
    (
        "teams.user",
        Place(
            "Name, e-mail address and password (as a hash)",
            ACCOUNT,
            f"{HERSELF}, {TEACHERS}, {OPERATOR}",
        ),
    ),
    ("teams.outsideidentity", Place("The link to the university's sign-in", ACCOUNT, OPERATOR)),
    (
        "teams.totpdevice teams.passkey teams.recoverycode",
        Place("Second factor (sealed, public or as a hash)", "until it is removed", HERSELF),
    ),
    (
        "teams.signedinbrowser",
        Place(
            "Browsers in which one is signed in, with the last network address",
            "until the session ends",
            HERSELF,
        ),
    ),
    ("sessions.session", Place("Sessions", "two weeks after the last sign-in", "nobody")),
    (
        "axes.accessattempt axes.accessattemptexpiration axes.accesslog axes.accessfailurelog",
        Place(
            "Sign-ins that failed, with the network address",
            "until the account is erased",
            OPERATOR,
        ),
    ),
    (
        "auth.permission auth.group contenttypes.contenttype django_rq.dashboard",
        Place("What Django itself needs", "always", "nobody", personal=False),
    ),
    (
        "teams.lmsconnection teams.lmscourse lti_tool.ltiregistration lti_tool.ltiplatforminstance "
        "lti_tool.ltideployment lti_tool.ltiresourcelink lti_tool.lticontext lti_tool.ltilineitem lti_tool.key",
        Place("Connections to an LMS; keys stay here", COURSE, TEACHERS, personal=False),
    ),
    (
        "teams.lmsidentity teams.lmsseat teams.lmslaunch lti_tool.ltiuser lti_tool.ltimembership evaluation.lmsgrade",
        Place(
            "Who comes from an LMS, and grades that were sent there",
            COURSE,
            TEACHERS,
            where="database; at the LMS",
        ),
    ),
    (
        "teams.membership",
        Place("Role, team, section and student ID in a course", COURSE, TEACHERS),
    ),
    (
        "teams.course teams.section teams.milestone teams.policytext",
        Place("How a course is set up, its plan and its notices", COURSE, ALL, personal=False),
    ),
    ("teams.team teams.teamrequest", Place("Teams, and who asks to be in one", COURSE, ALL)),
    (
        "teams.professorassignment teams.handover",
        Place("Who grades which team; who hands a course over", COURSE, TEACHERS),
    ),
    (
        "teams.auditentry",
        Place(
            "The record of changes that matter: who, what, when",
            COURSE,
            f"instructors; {OPERATOR}",
        ),
    ),
    (
        "teams.erasureproof",
        Place(
            "That something was erased; it names nobody",
            "always",
            f"instructors; {OPERATOR}",
            personal=False,
        ),
    ),
    (
        "teams.personexport",
        Place("One's own data as a file", "one day", HERSELF, where="database and disk"),
    ),
    (
        "teams.archiveimport teams.archiveexport",
        Place(
            "Archives of runs and courses",
            "one day; an import until it is read",
            TEAM,
            where="database and disk",
        ),
    ),
    (
        "teams.outgoingmail",
        Place("Mail to be sent", "one day after it was sent, 30 days where it failed", TEACHERS),
    ),
    (
        "teams.notice teams.toldonce teams.mailchoice teams.announcement",
        Place("Notices, announcements, and which of them one wants", COURSE, HERSELF),
    ),
    (
        "teams.budgetaccount teams.courseaccount teams.budgetalert teams.budgetrequest teams.hold teams.ledgerentry "
        "teams.ledgersum teams.purpose",
        Place("Budgets, and every cost with who caused it", COURSE, TEAM),
    ),
    (
        "teams.price teams.billcheck teams.billedday teams.diskaccount teams.diskuse",
        Place("Prices, bills and disk space", COURSE, TEACHERS, personal=False),
    ),
    (
        "teams.provider",
        Place("Providers; their keys are sealed", COURSE, TEACHERS, personal=False),
    ),
    (
        "datasets.dataset datasets.datasetversion datasets.rowblock datasets.versionblock datasets.frozensplit",
        Place(
            "Datasets: rows, which may hold children's words",
            "until deleted, or the course is",
            TEAM,
        ),
    ),
    (
        "datasets.sourcerecord",
        Place(
            "Where a dataset is from, and which consent allows it",
            "as long as the dataset",
            TEAM,
        ),
    ),
    (
        "datasets.machinetext",
        Place(
            "Hashes of exchanges that a model wrote and the team took over; no words",
            "until the row is erased, or the course is",
            "nobody",
            personal=False,
        ),
    ),
    (
        "datasets.draft datasets.draftchange datasets.import datasets.importfix",
        Place(
            "Edits and uploads on their way in",
            "14 days after they are done",
            TEAM,
            where="database and disk",
        ),
    ),
    (
        "datasets.findingjustification datasets.review datasets.rowcomment datasets.rowapproval",
        Place(
            "Privacy decisions, and what reviewers said of rows",
            "as long as the dataset",
            f"{TEAM}; reviewers",
        ),
    ),
    (
        "training.trainingrun training.runevent training.artifact training.runverdict training.sweep training.origin "
        "training.deletedrun",
        Place(
            "Training runs, their curves, samples and files",
            "until deleted, or the course is",
            TEAM,
            where="database and disk; at the provider that trained it",
        ),
    ),
    (
        "training.drafting training.draftedrow",
        Place(
            "Rows that a model wrote after a team's own, and who accepted or rejected each",
            "as long as the dataset; rows that nobody accepted 30 days",
            TEAM,
            where="database; at the provider that wrote them",
        ),
    ),
    (
        "training.deployment training.endpointkey training.endpointcall training.apifile training.finetuningjob "
        "training.mergedmodel",
        Place("Bots for programs, and calls to them", COURSE, TEAM, where="database and disk"),
    ),
    (
        "training.basemodel training.trainingpolicy training.pacetrial",
        Place("Base models, and how fast this machine trains", COURSE, TEACHERS, personal=False),
    ),
    (
        "training.host",
        Place(
            "Machines that train: name, memory, when each last answered",
            "always",
            f"{TEACHERS}, {OPERATOR}",
            personal=False,
        ),
    ),
    (
        "training.modelserver training.loadedadapter",
        Place(
            "Model servers, with sealed keys, and which runs' adapters each has loaded",
            "until the server or the run is removed",
            OPERATOR,
            personal=False,
        ),
    ),
    (
        "teams.storedfile",
        Place(
            "Where each stored file of a run, upload or archive lies, with its name, size and hash",
            "as long as the file",
            OPERATOR,
        ),
    ),
    (
        "evaluation.conversation evaluation.turn evaluation.betteranswer",
        Place(
            "Chats with bots",
            "until deleted, or the course is",
            f"{TEAM}; interviews the professor, and the team later without her name",
            where="database; at the provider that answered",
        ),
    ),
    (
        "evaluation.comparison evaluation.contender evaluation.vote",
        Place("Blind comparisons and votes", "until deleted, or the course is", TEAM),
    ),
    (
        "evaluation.interview evaluation.interviewanswer evaluation.judgeopinion",
        Place(
            "Standard interviews and what was measured",
            "as long as the run",
            TEAM,
            personal=False,
        ),
    ),
    (
        "evaluation.submission evaluation.resultrelease evaluation.regraderequest evaluation.adjudication",
        Place("What was handed in, results and requests", COURSE, TEAM),
    ),
    (
        "evaluation.grading evaluation.grade evaluation.criterionscore evaluation.unappliedsave evaluation.graderevision "
        "evaluation.turntag evaluation.turncorrection evaluation.secondlook evaluation.hearing evaluation.calibration "
        "evaluation.calibrationlevel",
        Place(
            "Grading: levels, comments, tags",
            COURSE,
            "the professor; instructors; the team without her name",
        ),
    ),
    (
        "evaluation.rubricversion evaluation.criterion evaluation.level evaluation.gradescale evaluation.gradingdue "
        "evaluation.calibrationrule evaluation.interviewscript evaluation.interviewquestion evaluation.judgesetting "
        "evaluation.presentationrule evaluation.presentationsession evaluation.presentation",
        Place("How bots are asked, presented and graded", COURSE, ALL, personal=False),
    ),
)

ELSEWHERE = (
    Place(
        "Uploaded files", "14 days after they became a version", TEAM, where="disk: var/media"
    ),
    Place(
        "Models, logs and results of runs", "as long as the run", TEAM, where="disk: var/runs"
    ),
    Place(
        "Wake-up calls and live progress",
        "minutes to hours",
        "nobody",
        personal=False,
        where="Redis",
    ),
    Place(
        "Rows and prompts sent for training or answers",
        "as the provider says; files until a run ends",
        "the provider",
        where="the provider that a run names",
    ),
    Place(
        "Logs of the services, without secrets",
        "until they are rotated",
        OPERATOR,
        where="disk: var/logs",
    ),
    Place(
        "Backups of all of it",
        "as the operator set it (BACKUP_KEPT_DAYS)",
        OPERATOR,
        where="the operator's backups",
    ),
)
