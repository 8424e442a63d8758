"""What a course archive may bring: every table and every field, by name. Pure data.

The writer writes these and no others; the reader takes these and no others. `tests/test_architecture.py` fails when a model
or a field of a course is not decided upon here, so that nothing new comes in from outside because somebody forgot.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """One table, and the fields of a row: `plain` texts, numbers, days and times; `people` and `refs` rows of the archive;
    `documents` JSON, each with a shape in `documents`; `lists` many-to-many; `keys` random names, of which a new one is drawn
    on arrival; `never` what stays behind: it is not written, and what an older archive says of it is not read.
    """

    label: str
    plain: tuple[str, ...] = ()
    refs: dict[str, str] = field(default_factory=dict)
    people: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    lists: dict[str, str] = field(default_factory=dict)
    never: tuple[str, ...] = ()

    @property
    def member(self) -> str:
        """The file in the archive."""
        return f"{self.label}.jsonl"

    @property
    def written(self) -> tuple[str, ...]:
        return ("id", *self.plain, *self.refs, *self.people, *self.documents, *self.keys, *self.lists)


FORMAT = 1
ABOUT, PEOPLE, PROOFS, FILES = "about.json", "people.jsonl", "proofs.jsonl", "runs/"
MOST_PEOPLE, MOST_LINES, MOST_RUNS = 20_000, 400_000, 5_000
COURSE, RUN, VERSION, BLOCK, PLACE = (
    "teams.course", "training.trainingrun", "datasets.datasetversion", "datasets.rowblock", "datasets.versionblock",
)  # fmt: skip


def table(
    label: str,
    plain: str = "",
    *,
    people: str = "",
    documents: str = "",
    keys: str = "",
    never: str = "",
    lists: dict[str, str] | None = None,
    **refs: str,
) -> Table:
    """Names of fields in words, references as `field_id="app.table"`."""
    named = {"plain": plain, "people": people, "documents": documents, "keys": keys, "never": never}
    return Table(label, refs=refs, lists=lists or {}, **{kind: tuple(names.split()) for kind, names in named.items()})


TABLES = (
    table(
        "teams.course",
        "name term student_code_open professor_code_open starts_on ends_on team_budget compute_rate "
        "spending_frozen daily_chat_cap team_size keep_days practice_open created_at",
        never="student_code professor_code second_factor erasure_told_for erasure_told_at time_zone",
    ),
    table("teams.section", "name", course_id="teams.course"),
    table("teams.milestone", "position title goal due_on", course_id="teams.course"),
    table("teams.team", "name practice created_at", course_id="teams.course", people="started_by_id"),
    table("teams.courseaccount", "limit held spent told_percent", course_id="teams.course"),
    table("teams.price", "provider model kind per_million effective_from revision source", course_id="teams.course"),
    table("teams.announcement", "text at", course_id="teams.course", people="author_id"),
    table(
        "training.basemodel",
        "method name label hosting rehearsal shutdown_on shutdown_source enabled",
        course_id="teams.course",
        never="provider_id weights_sha256 trouble trial trial_stage trial_attempts trial_alive_at facts",
    ),
    table("training.trainingpolicy", "team_runs_at_once", course_id="teams.course", never="host_label"),
    table("evaluation.rubricversion", "number name created_at", course_id="teams.course"),
    table(
        "evaluation.criterion",
        "key position part unit name explanation weight meaning",
        rubric_id="evaluation.rubricversion",
    ),
    table("evaluation.level", "value label anchor", criterion_id="evaluation.criterion"),
    table("evaluation.gradingdue", "due_on", course_id="teams.course"),
    table("evaluation.calibrationrule", "since", course_id="teams.course"),
    table("evaluation.presentationrule", "counting weight points talk_at_once changed_at", course_id="teams.course"),
    table("evaluation.gradescale", "title points changed_at", course_id="teams.course", documents="weights shares"),
    table("evaluation.interviewscript", "number name created_at", course_id="teams.course"),
    table(
        "evaluation.interviewquestion",
        "position subject expectation question paraphrase follow_up",
        script_id="evaluation.interviewscript",
        documents="right mistaken",
    ),
    table("evaluation.judgesetting", "use model changed_at", course_id="teams.course"),
    table(
        "teams.membership",
        "role active student_id joined_at",
        course_id="teams.course",
        team_id="teams.team",
        section_id="teams.section",
        people="person_id",
        never="imported_email may_price may_release may_delete",
    ),
    table("teams.budgetaccount", "limit held spent", team_id="teams.team"),
    table("datasets.dataset", "name created_at", team_id="teams.team", people="created_by_id", never="pseudonyms"),
    table(
        "datasets.sourcerecord",
        "kind place people period consent recorded_at",
        dataset_id="datasets.dataset",
        people="recorded_by_id",
    ),
    table("datasets.machinetext", "digest created_at", team_id="teams.team"),
    table("datasets.rowblock", "content_hash row_count rows", team_id="teams.team"),
    table("evaluation.comparison", "question created_at", team_id="teams.team", people="asked_by_id", keys="key"),
    table("teams.professorassignment", "created_at", team_id="teams.team", professor_id="teams.membership"),
    table("evaluation.calibration", "transcript committed_at", grader_id="teams.membership"),
    table(
        "evaluation.presentationsession",
        "starts_at place minutes",
        course_id="teams.course",
        lists={"listeners": "teams.membership"},
    ),
    table("evaluation.presentation", "position", session_id="evaluation.presentationsession", team_id="teams.team"),
    table("evaluation.hearing", presentation_id="evaluation.presentation", listener_id="teams.membership", keys="code"),
    table(
        "teams.budgetrequest",
        "amount reason state created_at decided_at",
        account_id="teams.budgetaccount",
        people="person_id decided_by_id",
    ),
    table(
        "datasets.datasetversion",
        "number shape content_hash row_count turn_count token_estimate source_name note "
        "skipped_rows erased_rows privacy_justification created_at",
        dataset_id="datasets.dataset",
        parent_id="datasets.datasetversion",
        people="privacy_justified_by_id created_by_id",
        never="report measured_at open_privacy_findings",
    ),
    table(
        "datasets.findingjustification",
        "row_id field text reason created_at",
        dataset_id="datasets.dataset",
        people="person_id",
    ),
    table(
        "datasets.rowcomment",
        "row_id text by_reviewer created_at",
        dataset_id="datasets.dataset",
        people="person_id",
    ),
    table("datasets.rowapproval", "row_id fingerprint created_at", dataset_id="datasets.dataset", people="person_id"),
    table("training.sweep", "name created_at", team_id="teams.team", people="created_by_id", keys="key"),
    table(
        "training.trainingrun",
        "number name note starred archived_at method seed status rehearsal created_at started_at finished_at attempt step "
        "total_steps train_loss validation_loss score_before score_after calls_used calls_allowed "
        "input_tokens cached_input_tokens output_tokens training_tokens compute_seconds "
        "expected_cost most_cost provider error_code error_message error_fix",
        team_id="teams.team",
        base_model_id="training.basemodel",
        dataset_version_id="datasets.datasetversion",
        sweep_id="training.sweep",
        people="created_by_id",
        documents="settings idle_speed work result",
        keys="key",
        never=(
            "imported starts_from_id host stop_asked_at lease lease_until provider_job provider_status provider_files result_model "
            "deployment missing missing_tries missing_next"
        ),
    ),
    table("training.deletedrun", "number name method deleted_at", team_id="teams.team", people="deleted_by_id", keys="key"),
    table(
        "training.runverdict",
        "of step kept fresh validation_loss asked changed language childlike repeats sums right measure",
        run_id="training.trainingrun",
        documents="answers",
    ),
    table("training.artifact", "path sha256 size", run_id="training.trainingrun"),
    table("datasets.versionblock", "first_row", version_id="datasets.datasetversion", block_id="datasets.rowblock"),
    table("datasets.draft", "created_at updated_at", dataset_id="datasets.dataset", base_id="datasets.datasetversion"),
    table("evaluation.calibrationlevel", "criterion_key level", calibration_id="evaluation.calibration"),
    table(
        "datasets.review",
        "asked_at closed_at",
        version_id="datasets.datasetversion",
        people="asked_by_id",
        keys="code",
    ),
    table(
        "datasets.frozensplit",
        "fraction seed created_at",
        version_id="datasets.datasetversion",
        documents="validation_ids",
    ),
    table(
        "training.deployment",
        "created_at stopped_at",
        team_id="teams.team",
        run_id="training.trainingrun",
        people="created_by_id",
    ),
    table(
        "evaluation.submission",
        "submitted_at replaced_at released_at",
        team_id="teams.team",
        run_id="training.trainingrun",
        rubric_id="evaluation.rubricversion",
        people="submitted_by_id",
        documents="bundle",
        never="blind_code",
    ),
    table("training.runevent", "at kind step", run_id="training.trainingrun", documents="data"),
    table(
        "training.origin",
        "kind words sha256 signed brought_at",
        run_id="training.trainingrun",
        source_id="training.trainingrun",
        people="brought_by_id",
    ),
    table(
        "evaluation.interview",
        "repeats for_grading untrained status error_message in_training judge_model judge_note created_at heartbeat_at finished_at",
        run_id="training.trainingrun",
        script_id="evaluation.interviewscript",
        people="started_by_id",
        documents="metrics",
        keys="key",
    ),
    table(
        "datasets.draftchange",
        "row_id position kind changed_at",
        draft_id="datasets.draft",
        people="changed_by_id",
        documents="row",
    ),
    table(
        "evaluation.grading",
        "letter order created_at",
        submission_id="evaluation.submission",
        grader_id="teams.membership",
        keys="code",
    ),
    table(
        "evaluation.conversation",
        "untrained title created_at deleted_at",
        run_id="training.trainingrun",
        submission_id="evaluation.submission",
        hearing_id="evaluation.hearing",
        people="person_id",
        keys="key",
    ),
    table(
        "evaluation.adjudication",
        "level reason created_at",
        submission_id="evaluation.submission",
        criterion_id="evaluation.criterion",
        people="author_id",
    ),
    table(
        "evaluation.interviewanswer",
        "wording repeat answer input_tokens cached_input_tokens output_tokens",
        interview_id="evaluation.interview",
        question_id="evaluation.interviewquestion",
    ),
    table(
        "evaluation.judgeopinion",
        "subject model prompt_version status score reason created_at",
        interview_id="evaluation.interview",
        keys="key",
    ),
    table(
        "evaluation.contender",
        "position",
        comparison_id="evaluation.comparison",
        conversation_id="evaluation.conversation",
    ),
    table(
        "evaluation.grade",
        "status comment comment_version version saved_at committed_at",
        grading_id="evaluation.grading",
        hearing_id="evaluation.hearing",
        never="grader_id",
    ),
    table(
        "evaluation.turn",
        "position question answer status error_message left_out input_tokens output_tokens "
        "first_token_ms created_at heartbeat_at finished_at replaced_at",
        conversation_id="evaluation.conversation",
        people="asked_by_id",
        keys="key",
    ),
    table(
        "evaluation.regraderequest",
        "words status answer level created_at decided_at",
        submission_id="evaluation.submission",
        criterion_id="evaluation.criterion",
        grading_id="evaluation.grading",
        people="person_id decided_by_id",
        lists={"turns": "evaluation.turn"},
    ),
    table(
        "evaluation.secondlook",
        "level cannot_judge comment given_at",
        request_id="evaluation.regraderequest",
        reader_id="teams.membership",
        keys="code",
    ),
    table(
        "evaluation.resultrelease",
        "number reason created_at",
        submission_id="evaluation.submission",
        people="author_id",
        documents="content",
    ),
    table(
        "evaluation.vote",
        "created_at",
        comparison_id="evaluation.comparison",
        better_id="evaluation.contender",
        people="person_id",
    ),
    table(
        "evaluation.turntag",
        "label created_at",
        grading_id="evaluation.grading",
        turn_id="evaluation.turn",
        criterion_id="evaluation.criterion",
    ),
    table("evaluation.turncorrection", "answer saved_at", grading_id="evaluation.grading", turn_id="evaluation.turn"),
    table(
        "evaluation.betteranswer",
        "answer with_earlier row_id edition created_at",
        run_id="training.trainingrun",
        turn_id="evaluation.turn",
        heard_id="evaluation.interviewanswer",
        dataset_id="datasets.dataset",
        people="person_id",
    ),
    table(
        "evaluation.criterionscore",
        "level cannot_judge comment version",
        grade_id="evaluation.grade",
        criterion_id="evaluation.criterion",
    ),
    table(
        "evaluation.unappliedsave",
        "level cannot_judge comment created_at resolved_at",
        grade_id="evaluation.grade",
        keys="code",
        criterion_id="evaluation.criterion",
        turn_id="evaluation.turn",
    ),
    table(
        "evaluation.graderevision",
        "number comment reason created_at",
        grade_id="evaluation.grade",
        people="author_id",
        documents="scores",
    ),
    table(
        "teams.auditentry",
        "at action what",
        course_id="teams.course",
        team_id="teams.team",
        people="person_id",
        documents="before after",
        never="imported",
    ),
    table("teams.purpose", "kind", team_id="teams.team", keys="key"),
    table(
        "teams.hold",
        "key amount expected state created_at subject_kind expires_at closed_at",
        account_id="teams.budgetaccount",
        purpose_id="teams.purpose",
        people="person_id",
    ),
    table(
        "teams.ledgerentry",
        "key at for_time delta before after subject_kind subject_id method provider model "
        "input_tokens cached_input_tokens output_tokens training_tokens compute_seconds price_note "
        "confidence rehearsal would_have_cost beyond_hold",
        account_id="teams.budgetaccount",
        corrects_id="teams.ledgerentry",
        purpose_id="teams.purpose",
        people="person_id",
    ),
)
EARLIER_NAMES = {(RUN, "error_mend"): "error_fix"}  # an earlier name
"""(table, field) of archives from before the field was called otherwise -> what it is called now."""
BY_LABEL = {one.label: one for one in TABLES}
