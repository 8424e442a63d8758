from django.apps import AppConfig


class CourseplatformConfig(AppConfig):
    name = "courseplatform"

    def ready(self) -> None:
        from courseplatform import checks  # noqa: F401  (registers the system checks)
        from courseplatform.operations import error_reports

        error_reports.begin()
