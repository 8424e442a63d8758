from django.urls import include, path

urlpatterns = [
    path("", include("teams.urls")),
    path("", include("datasets.urls")),
    path("", include("training.urls")),
    path("", include("evaluation.urls")),
]
