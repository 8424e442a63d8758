from django.urls import include, path

from courseplatform.views import home, plan

urlpatterns = [
    path("", include("teams.urls")),
    path("", include("datasets.urls")),
    path("", include("training.urls")),
    path("", include("evaluation.urls")),
    path("healthz", home.healthz, name="healthz"),
    path("courses/<int:course_id>/", home.course_home, name="course_home"),
    path("courses/<int:course_id>/plan/", plan.course_plan, name="course_plan"),
    path("teams/<int:team_id>/", home.team_home, name="team_home"),
]
