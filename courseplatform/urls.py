from django.urls import include, path

from courseplatform import views

urlpatterns = [
    path("", include("teams.urls")),
    path("", include("datasets.urls")),
    path("", include("training.urls")),
    path("", include("evaluation.urls")),
    path("healthz", views.healthz, name="healthz"),
    path("courses/<int:course_id>/", views.course_home, name="course_home"),
    path("teams/<int:team_id>/", views.team_home, name="team_home"),
]
