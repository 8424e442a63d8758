"""A worker that is asked to end hands its run on: the engine keeps a checkpoint, and another worker goes on from it."""


class AskedToLeave(BaseException):
    """Raised in a job when its worker is asked to end. No Exception, so that no handler of other errors swallows it."""
