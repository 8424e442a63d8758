class CourseRefused(Exception):
    """The change is not possible; the text says why and what to do, for the person who asked."""
