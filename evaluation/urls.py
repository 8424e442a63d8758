from django.urls import URLPattern, path

from evaluation.views import (
    across,
    calibration,
    chat,
    comparing,
    grades,
    grading,
    hearing,
    hearing_talk,
    improving,
    interview,
    interviews,
    judge,
    lms_grades,
    pairs,
    presentations,
    regrades,
    releases,
    rubric,
    scale,
    script,
    second_look,
    standard,
    submission,
    training_rows,
)

CHAT = "teams/<int:team_id>/chat/"
TALK = CHAT + "<uuid:key>/"
TURN = TALK + "turns/<uuid:turn_key>/"
SIDES = "teams/<int:team_id>/side-by-side/"
COMPARISON = SIDES + "<uuid:key>/"
SIDE = COMPARISON + "answers/<int:position>/"
GRADING = "courses/<int:course_id>/grading/"
GRADE = GRADING + "<uuid:code>/"
INTERVIEW = GRADE + "talk/"
ASKED = INTERVIEW + "turns/<uuid:turn_key>/"
GRADES = "courses/<int:course_id>/grades/"
CALIBRATION = "courses/<int:course_id>/calibration/"
PRESENTATIONS = "courses/<int:course_id>/presentations/"
SESSION = PRESENTATIONS + "plan/<int:session_id>/"
HEARING = PRESENTATIONS + "<uuid:code>/"
HEARD = HEARING + "talk/turns/<uuid:turn_key>/"
RUBRIC = "courses/<int:course_id>/rubric/"
SCRIPT = "courses/<int:course_id>/interview-script/"

urlpatterns: list[URLPattern] = [
    path(CHAT, chat.conversation_list, name="conversation_list"),
    path(CHAT + "new/", chat.conversation_new, name="conversation_new"),
    path(TALK, chat.conversation_detail, name="conversation_detail"),
    path(TALK + "delete/", chat.conversation_delete, name="conversation_delete"),
    path(TALK + "restore/", chat.conversation_restore, name="conversation_restore"),
    path(
        TALK + "export.jsonl",
        chat.conversation_export,
        {"form": "jsonl"},
        name="conversation_export_jsonl",
    ),
    path(
        TALK + "export.txt",
        chat.conversation_export,
        {"form": "txt"},
        name="conversation_export_text",
    ),
    path(TURN, chat.turn_detail, name="turn_detail"),
    path(TURN + "events/", chat.turn_events, name="turn_events"),
    path(TURN + "stop/", chat.turn_stop, name="turn_stop"),
    path(TURN + "retry/", chat.turn_retry, name="turn_retry"),
    path(TURN + "row/", training_rows.turn_row, name="turn_row"),
    path(TURN + "sources/", training_rows.turn_sources, name="turn_sources"),
    path("teams/<int:team_id>/pairs/", pairs.pair_list, name="pair_list"),
    path(SIDES, comparing.comparison_list, name="comparison_list"),
    path(COMPARISON, comparing.comparison_detail, name="comparison_detail"),
    path(COMPARISON + "vote/", comparing.comparison_vote, name="comparison_vote"),
    path(SIDE, comparing.comparison_answer, name="comparison_answer"),
    path(SIDE + "events/", comparing.comparison_events, name="comparison_events"),
    path(SIDE + "stop/", comparing.comparison_stop, name="comparison_stop"),
    path("teams/<int:team_id>/interviews/", interviews.standard_list, name="standard_list"),
    path(
        "teams/<int:team_id>/interviews/<uuid:key>/",
        interviews.standard_detail,
        name="standard_detail",
    ),
    path(
        "teams/<int:team_id>/runs/<int:number>/learning/",
        interviews.run_learning,
        name="run_learning",
    ),
    path(
        "teams/<int:team_id>/runs/<int:number>/improve/",
        improving.run_improve,
        name="run_improve",
    ),
    path(
        "teams/<int:team_id>/runs/<int:number>/improve/version/",
        improving.run_improve_publish,
        name="run_improve_publish",
    ),
    path(
        "teams/<int:team_id>/submission/", submission.submission_detail, name="submission_detail"
    ),
    path(
        "teams/<int:team_id>/submission/rows/",
        training_rows.candidate_list,
        name="candidate_list",
    ),
    path(
        "teams/<int:team_id>/submission/regrade/",
        submission.regrade_request,
        name="regrade_request",
    ),
    path(GRADING, grading.grading_queue, name="grading_queue"),
    path(GRADING + "compare/", across.grading_compare, name="grading_compare"),
    path(
        GRADING + "compare/<uuid:code>/",
        across.grading_compare_side,
        name="grading_compare_side",
    ),
    path(GRADING + "criteria/<str:criterion>/", across.grading_across, name="grading_across"),
    path(
        GRADING + "criteria/<str:criterion>/<uuid:code>/",
        across.grading_across_score,
        name="grading_across_score",
    ),
    path(GRADE, grading.grading_detail, name="grading_detail"),
    path(GRADE + "criteria/<str:criterion>/", grading.grading_score, name="grading_score"),
    path(GRADE + "comment/", grading.grading_comment, name="grading_comment"),
    path(GRADE + "kept/<uuid:kept>/", grading.grading_choose, name="grading_choose"),
    path(GRADE + "print/", grading.grading_print, name="grading_print"),
    path(GRADE + "commit/", grading.grading_commit, name="grading_commit"),
    path(GRADE + "undo/", grading.grading_undo, name="grading_undo"),
    path(GRADE + "revise/", grading.grading_revise, name="grading_revise"),
    path(GRADE + "standard/", standard.grading_standard, name="grading_standard"),
    path(INTERVIEW, interview.interview_ask, name="interview_ask"),
    path(ASKED, interview.interview_turn, name="interview_turn"),
    path(ASKED + "events/", interview.interview_events, name="interview_events"),
    path(ASKED + "stop/", interview.interview_stop, name="interview_stop"),
    path(ASKED + "retry/", interview.interview_retry, name="interview_retry"),
    path(ASKED + "tag/", interview.interview_tag, name="interview_tag"),
    path(ASKED + "correction/", interview.interview_correction, name="interview_correction"),
    path(ASKED + "sources/", training_rows.interview_sources, name="interview_sources"),
    path(
        "courses/<int:course_id>/second-looks/<uuid:code>/",
        second_look.second_look,
        name="second_look",
    ),
    path(GRADES, grades.course_grades, name="course_grades"),
    path(GRADES + "lms/", lms_grades.lms_grades, name="lms_grades"),
    path(
        "courses/<int:course_id>/grades.csv", grades.course_grades_csv, name="course_grades_csv"
    ),
    path(
        "courses/<int:course_id>/gradebook/<str:layout>.csv",
        grades.course_gradebook,
        name="course_gradebook",
    ),
    path(GRADES + "due/", grades.grades_due, name="grades_due"),
    path(GRADES + "release/", releases.grades_release_all, name="grades_release_all"),
    path(GRADES + "<int:submission_id>/", grades.submission_grades, name="submission_grades"),
    path(GRADES + "agreement/", grades.course_agreement, name="course_agreement"),
    path(
        GRADES + "<int:submission_id>/criteria/<int:criterion_id>/",
        grades.grade_adjudicate,
        name="grade_adjudicate",
    ),
    path(
        GRADES + "<int:submission_id>/regrades/<int:regrade_id>/",
        regrades.regrade_decide,
        name="regrade_decide",
    ),
    path(GRADES + "<int:submission_id>/release/", releases.grade_release, name="grade_release"),
    path(GRADES + "<int:submission_id>/hide/", releases.grade_hide, name="grade_hide"),
    path(
        GRADES + "<int:submission_id>/versions/<int:number>/",
        releases.grade_version,
        name="grade_version",
    ),
    path(GRADES + "points/", scale.scale_edit, name="scale_edit"),
    path(GRADES + "assign/", grades.graders_assign, name="graders_assign"),
    path(GRADES + "calibration/", calibration.course_calibration, name="course_calibration"),
    path(CALIBRATION, calibration.calibration_list, name="calibration_list"),
    path(
        CALIBRATION + "<int:number>/", calibration.calibration_detail, name="calibration_detail"
    ),
    path(
        CALIBRATION + "<int:number>/<str:criterion>/",
        calibration.calibration_choose,
        name="calibration_choose",
    ),
    path(PRESENTATIONS, presentations.presentation_list, name="presentation_list"),
    path(PRESENTATIONS + "plan/", presentations.presentation_plan, name="presentation_plan"),
    path(PRESENTATIONS + "counting/", presentations.presentation_rule, name="presentation_rule"),
    path(SESSION, presentations.session_edit, name="session_edit"),
    path(SESSION + "teams/", presentations.session_teams, name="session_teams"),
    path(SESSION + "remove/", presentations.session_remove, name="session_remove"),
    path(SESSION + "tell/", presentations.session_tell, name="session_tell"),
    path(HEARING, hearing.hearing_detail, name="hearing_detail"),
    path(HEARING + "criteria/<str:criterion>/", hearing.hearing_score, name="hearing_score"),
    path(HEARING + "comment/", hearing.hearing_comment, name="hearing_comment"),
    path(HEARING + "kept/<uuid:kept>/", hearing.hearing_choose, name="hearing_choose"),
    path(HEARING + "commit/", hearing.hearing_commit, name="hearing_commit"),
    path(HEARING + "revise/", hearing.hearing_revise, name="hearing_revise"),
    path(HEARING + "talk/", hearing_talk.hearing_ask, name="hearing_ask"),
    path(HEARD, hearing_talk.hearing_turn, name="hearing_turn"),
    path(HEARD + "events/", hearing_talk.hearing_events, name="hearing_events"),
    path(HEARD + "stop/", hearing_talk.hearing_stop, name="hearing_stop"),
    path(HEARD + "retry/", hearing_talk.hearing_retry, name="hearing_retry"),
    path(RUBRIC, rubric.rubric_detail, name="rubric_detail"),
    path(RUBRIC + "read/", scale.rubric_read, name="rubric_read"),
    path(RUBRIC + "edit/", rubric.rubric_edit, name="rubric_edit"),
    path(RUBRIC + "<int:rubric_id>/", rubric.rubric_version, name="rubric_version"),
    path(RUBRIC + "<int:rubric_id>/use/", rubric.rubric_use, name="rubric_use"),
    path("courses/<int:course_id>/judge/", judge.judge_edit, name="judge_edit"),
    path(SCRIPT, script.script_detail, name="script_detail"),
    path(SCRIPT + "edit/", script.script_edit, name="script_edit"),
    path(SCRIPT + "<int:script_id>/", script.script_version, name="script_version"),
    path(SCRIPT + "<int:script_id>/use/", script.script_use, name="script_use"),
]
