from django.urls import include, path

from courseplatform.views import (
    archive,
    copy,
    costs,
    deleting,
    erasing,
    guide,
    home,
    observing,
    operations,
    plan,
    privacy,
    probes,
    queue,
)

urlpatterns = [
    path("", include("teams.urls")),
    path("", include("datasets.urls")),
    path("", include("training.urls")),
    path("", include("evaluation.urls")),
    path("guide/", guide.guide, name="guide"),
    path("guide/<slug:topic>/", guide.guide_topic, name="guide_topic"),
    path("courses/<int:course_id>/practice/", guide.practice_switch, name="practice_switch"),
    path("courses/import/", archive.course_import, name="course_import"),
    path(
        "courses/import/<uuid:key>/", archive.course_import_detail, name="course_import_detail"
    ),
    path(
        "teams/<int:team_id>/datasets/<int:dataset_id>/versions/<int:number>/rows/<int:position>/erase/",
        erasing.row_erase,
        name="row_erase",
    ),
    path(
        "teams/<int:team_id>/runs/<int:number>/delete/", deleting.run_delete, name="run_delete"
    ),
    path("courses/<int:course_id>/export/", archive.course_archive, name="course_archive"),
    path(
        "courses/<int:course_id>/export/file/",
        archive.course_archive_file,
        name="course_archive_file",
    ),
    path("courses/<int:course_id>/demo/remove/", archive.demo_remove, name="demo_remove"),
    path("courses/<int:course_id>/delete/", archive.course_delete, name="course_delete"),
    path(
        "courses/<int:course_id>/teams/<int:edited_id>/remove/",
        archive.team_remove,
        name="team_remove",
    ),
    path("healthz", home.healthz, name="healthz"),
    path("operations/", operations.platform_operations, name="platform_operations"),
    path("livez", probes.livez, name="livez"),
    path("readyz", probes.readyz, name="readyz"),
    path("metrics", probes.metrics, name="metrics"),
    path("courses/<int:course_id>/", home.course_home, name="course_home"),
    path("courses/<int:course_id>/plan/", plan.course_plan, name="course_plan"),
    path("courses/<int:course_id>/costs/", costs.course_costs, name="course_costs"),
    path(
        "courses/<int:course_id>/costs/estimates/",
        costs.course_estimates,
        name="course_estimates",
    ),
    path(
        "courses/<int:course_id>/costs/entries/<int:entry_id>/",
        costs.course_ledger_entry,
        name="course_ledger_entry",
    ),
    path(
        "teams/<int:team_id>/costs/entries/<str:key>/",
        costs.team_ledger_entry,
        name="team_ledger_entry",
    ),
    path("privacy/", privacy.privacy, name="privacy"),
    path("privacy/data/", privacy.data_map, name="data_map"),
    path("privacy/<slug:kind>/", privacy.policy_edit, name="policy_edit"),
    path("account/data/", privacy.own_data, name="own_data"),
    path("account/data/file/", privacy.own_data_file, name="own_data_file"),
    path("accounts/erasures/", privacy.platform_erasures, name="platform_erasures"),
    path("courses/<int:course_id>/erasures/", privacy.course_erasures, name="course_erasures"),
    path("courses/<int:course_id>/privacy/", privacy.course_privacy, name="course_privacy"),
    path(
        "courses/<int:course_id>/privacy/<slug:kind>/",
        privacy.course_policy_edit,
        name="course_policy_edit",
    ),
    path("platform/", observing.platform_state, name="platform_state"),
    path("courses/<int:course_id>/observed/", observing.course_observed, name="course_observed"),
    path("courses/<int:course_id>/copy/", copy.course_copy, name="course_copy"),
    path("courses/<int:course_id>/queue/", queue.course_queue, name="course_queue"),
    path("courses/<int:course_id>/queue/wake/", queue.queue_wake, name="queue_wake"),
    path("teams/<int:team_id>/", home.team_home, name="team_home"),
]
