"""The demo course: people, data, and a story that the platform's own parts play once (`story.py`)."""
