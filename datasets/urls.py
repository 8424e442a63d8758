from django.urls import path

from datasets.views import datasets, imports, insights, privacy, repairs, reviews, rows, versions

TEAM = "teams/<int:team_id>/datasets/"
DATASET = f"{TEAM}<int:dataset_id>/"
IMPORT = f"{TEAM}imports/<uuid:key>/"
VERSION = f"{DATASET}versions/<int:number>/"
REVIEW = "courses/<int:course_id>/review/"

urlpatterns = [
    path(TEAM, datasets.dataset_list, name="dataset_list"),
    path(f"{TEAM}new/", datasets.dataset_new, name="dataset_new"),
    path(f"{TEAM}samples/<slug:name>/", datasets.dataset_sample, name="dataset_sample"),
    path(IMPORT, imports.import_detail, name="import_detail"),
    path(f"{IMPORT}events/", imports.import_events, name="import_events"),
    path(f"{IMPORT}problems.csv", imports.import_problems, name="import_problems"),
    path(f"{IMPORT}accept/", imports.import_accept, name="import_accept"),
    path(f"{IMPORT}fix/", imports.import_fix, name="import_fix"),
    path(f"{IMPORT}check/", imports.import_check, name="import_check"),
    path(f"{IMPORT}replace/", imports.import_replace, name="import_replace"),
    path(f"{IMPORT}map/", imports.import_map, name="import_map"),
    path(f"{IMPORT}encoding/", imports.import_encoding, name="import_encoding"),
    path(f"{IMPORT}undo/", imports.import_undo, name="import_undo"),
    path(f"{IMPORT}repair/", repairs.import_repair, name="import_repair"),
    path(f"{IMPORT}discard/", imports.import_discard, name="import_discard"),
    path(DATASET, datasets.dataset_detail, name="dataset_detail"),
    path(f"{DATASET}upload/", datasets.dataset_upload, name="dataset_upload"),
    path(f"{DATASET}delete/", datasets.dataset_delete, name="dataset_delete"),
    path(VERSION, versions.version_detail, name="version_detail"),
    path(f"{VERSION}quality/", versions.version_quality, name="version_quality"),
    path(f"{VERSION}measure/", versions.version_measure, name="version_measure"),
    path(f"{VERSION}export/", versions.version_exports, name="version_exports"),
    path(f"{VERSION}export/<slug:shape>.jsonl", versions.version_export, name="version_export"),
    path(f"{VERSION}delete/", versions.version_delete, name="version_delete"),
    path(f"{VERSION}restore/", versions.version_restore, name="version_restore"),
    path(f"{VERSION}swap/", versions.version_swap, name="version_swap"),
    path(f"{VERSION}fork/", versions.version_fork, name="version_fork"),
    path(f"{VERSION}privacy/", privacy.version_privacy, name="version_privacy"),
    path(f"{VERSION}privacy/justify/", privacy.privacy_justify, name="privacy_justify"),
    path(f"{VERSION}privacy/finding/", privacy.finding_justify, name="finding_justify"),
    path(f"{VERSION}privacy/pseudonyms/", privacy.privacy_pseudonyms, name="privacy_pseudonyms"),
    path(f"{VERSION}changes/", versions.version_diff, name="version_diff"),
    path(f"{VERSION}seen/", insights.version_seen, name="version_seen"),
    path(f"{VERSION}split/", insights.version_split, name="version_split"),
    path(f"{VERSION}split/decide/", insights.split_decide, name="split_decide"),
    path(f"{VERSION}advice/", insights.version_advice, name="version_advice"),
    path(f"{VERSION}review/", reviews.version_review, name="version_review"),
    path(f"{VERSION}review/ask/", reviews.review_ask, name="review_ask"),
    path(f"{VERSION}review/close/", reviews.review_close, name="review_close"),
    path(f"{VERSION}review/<str:row_id>/", reviews.review_answer, name="review_answer"),
    path(REVIEW, reviews.review_list, name="review_list"),
    path(f"{REVIEW}<uuid:code>/", reviews.review_detail, name="review_detail"),
    path(
        f"{REVIEW}<uuid:code>/<str:row_id>/comment/",
        reviews.review_comment,
        name="review_comment",
    ),
    path(
        f"{REVIEW}<uuid:code>/<str:row_id>/approve/",
        reviews.review_approve,
        name="review_approve",
    ),
    path(f"{VERSION}labels/", rows.labels_confirm, name="labels_confirm"),
    path(f"{VERSION}rows/label/", versions.rows_label, name="rows_label"),
    path(f"{VERSION}rows/<int:position>/", rows.row_detail, name="row_detail"),
    path(f"{VERSION}rows/<int:position>/edit/", rows.row_edit, name="row_edit"),
    path(f"{VERSION}rows/<int:position>/delete/", rows.row_delete, name="row_delete"),
    path(f"{DATASET}rows/new/", rows.row_add, name="row_add"),
    path(f"{DATASET}edits/", rows.draft_detail, name="draft_detail"),
    path(f"{DATASET}edits/save/", rows.draft_save, name="draft_save"),
    path(f"{DATASET}edits/drop/", rows.draft_drop, name="draft_drop"),
    path(f"{DATASET}edits/<str:row_id>/undo/", rows.draft_undo, name="draft_undo"),
]
