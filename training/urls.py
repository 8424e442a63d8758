from django.urls import URLPattern, path

from training.views import (
    bundles,
    course,
    curve,
    drafting,
    endpoint,
    endpoint_api,
    labels,
    merged,
    model_servers,
    providers,
    runs,
    start,
    sweeps,
)
from training.views.openai_api import files as api_files
from training.views.openai_api import jobs as api_jobs
from training.views.openai_api import models as api_models

urlpatterns: list[URLPattern] = [
    path("v1/files", api_files.api_files, name="api_files"),
    path("v1/files/<str:file_id>", api_files.api_file, name="api_file"),
    path("v1/files/<str:file_id>/content", api_files.api_file_content, name="api_file_content"),
    path("v1/fine_tuning/jobs", api_jobs.api_jobs, name="api_jobs"),
    path("v1/fine_tuning/jobs/<str:job_id>", api_jobs.api_job, name="api_job"),
    path(
        "v1/fine_tuning/jobs/<str:job_id>/cancel", api_jobs.api_job_cancel, name="api_job_cancel"
    ),
    path(
        "v1/fine_tuning/jobs/<str:job_id>/events", api_jobs.api_job_events, name="api_job_events"
    ),
    path(
        "v1/fine_tuning/jobs/<str:job_id>/checkpoints",
        api_jobs.api_job_checkpoints,
        name="api_job_checkpoints",
    ),
    path("v1/models", api_models.endpoint_models, name="endpoint_models"),
    path("v1/models/<path:model>", api_models.api_model, name="api_model"),
    path("v1/chat/completions", endpoint_api.endpoint_chat, name="endpoint_chat"),
    path("teams/<int:team_id>/endpoint/", endpoint.team_endpoint, name="team_endpoint"),
    path("teams/<int:team_id>/endpoint/runs/", endpoint.deployment_new, name="deployment_new"),
    path(
        "teams/<int:team_id>/endpoint/runs/<int:deployment_id>/stop/",
        endpoint.deployment_stop,
        name="deployment_stop",
    ),
    path(
        "teams/<int:team_id>/endpoint/keys/", endpoint.endpoint_key_new, name="endpoint_key_new"
    ),
    path(
        "teams/<int:team_id>/endpoint/keys/<int:key_id>/revoke/",
        endpoint.endpoint_key_revoke,
        name="endpoint_key_revoke",
    ),
    path(
        "model-servers/",
        model_servers.platform_model_servers,
        name="platform_model_servers",
    ),
    path(
        "model-servers/<int:server_id>/",
        model_servers.platform_model_server,
        name="platform_model_server",
    ),
    path("providers/", providers.platform_providers, name="platform_providers"),
    path("providers/<int:provider_id>/", providers.platform_provider, name="platform_provider"),
    path(
        "courses/<int:course_id>/providers/", providers.course_providers, name="course_providers"
    ),
    path(
        "courses/<int:course_id>/providers/<int:provider_id>/",
        providers.course_provider,
        name="course_provider",
    ),
    path("courses/<int:course_id>/training/", course.course_training, name="course_training"),
    path(
        "courses/<int:course_id>/training/models/", course.base_model_new, name="base_model_new"
    ),
    path(
        "courses/<int:course_id>/training/models/<int:model_id>/",
        course.base_model_switch,
        name="base_model_switch",
    ),
    path(
        "courses/<int:course_id>/training/models/<int:model_id>/try/",
        course.base_model_try,
        name="base_model_try",
    ),
    path(
        "teams/<int:team_id>/datasets/<int:dataset_id>/drafting/",
        drafting.drafting_new,
        name="drafting_new",
    ),
    path(
        "teams/<int:team_id>/drafting/<uuid:key>/",
        drafting.drafting_detail,
        name="drafting_detail",
    ),
    path(
        "teams/<int:team_id>/drafting/<uuid:key>/stop/",
        drafting.drafting_stop,
        name="drafting_stop",
    ),
    path(
        "teams/<int:team_id>/drafting/<uuid:key>/rows/<int:position>/",
        drafting.drafting_row,
        name="drafting_row",
    ),
    path("teams/<int:team_id>/runs/", runs.run_list, name="run_list"),
    path("teams/<int:team_id>/runs/import/", bundles.run_import, name="run_import"),
    path(
        "teams/<int:team_id>/runs/import/<uuid:key>/",
        bundles.run_import_detail,
        name="run_import_detail",
    ),
    path("teams/<int:team_id>/runs/compare/", runs.run_compare, name="run_compare"),
    path("teams/<int:team_id>/sweeps/new/", sweeps.sweep_new, name="sweep_new"),
    path("teams/<int:team_id>/sweeps/<uuid:key>/", sweeps.sweep_detail, name="sweep_detail"),
    path(
        "teams/<int:team_id>/sweeps/<uuid:key>/cancel/", sweeps.sweep_cancel, name="sweep_cancel"
    ),
    path("teams/<int:team_id>/runs/new/<str:method>/", start.run_new, name="run_new"),
    path("teams/<int:team_id>/runs/<int:number>/", runs.run_detail, name="run_detail"),
    path("teams/<int:team_id>/runs/<int:number>/events/", runs.run_events, name="run_events"),
    path("teams/<int:team_id>/runs/<int:number>/cancel/", runs.run_cancel, name="run_cancel"),
    path("teams/<int:team_id>/runs/<int:number>/deploy/", runs.run_deploy, name="run_deploy"),
    path("teams/<int:team_id>/runs/<int:number>/keep/", runs.run_keep, name="run_keep"),
    path("teams/<int:team_id>/runs/<int:number>/label/", labels.run_label, name="run_label"),
    path("teams/<int:team_id>/runs/<int:number>/star/", labels.run_star, name="run_star"),
    path(
        "teams/<int:team_id>/runs/<int:number>/archive/", labels.run_archive, name="run_archive"
    ),
    path("teams/<int:team_id>/runs/<int:number>/rows/", curve.run_rows, name="run_rows"),
    path(
        "teams/<int:team_id>/runs/<int:number>/checkpoints/<int:position>/",
        runs.run_checkpoint,
        name="run_checkpoint",
    ),
    path("teams/<int:team_id>/runs/<int:number>/bundle/", bundles.run_bundle, name="run_bundle"),
    path(
        "teams/<int:team_id>/runs/<int:number>/bundle/file/",
        bundles.run_bundle_file,
        name="run_bundle_file",
    ),
    path("teams/<int:team_id>/runs/<int:number>/merged/", merged.run_merged, name="run_merged"),
    path(
        "teams/<int:team_id>/runs/<int:number>/merged/model.zip",
        merged.run_merged_file,
        name="run_merged_file",
    ),
    path(
        "teams/<int:team_id>/runs/<int:number>/files/<path:path>", runs.run_file, name="run_file"
    ),
]
