from typing import Any

from django.core.management.base import BaseCommand

from courseplatform.demo import story


class Command(BaseCommand):
    help = "Fill the demo course with what its people did, by the platform's own parts. Goes on where it was broken off."

    def handle(self, *args: Any, **options: Any) -> None:
        scene = story.scene_of_demo()
        if scene is None:
            return  # it was removed, or never made
        story.tell(scene, self.stdout.write)
