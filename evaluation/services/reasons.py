"""Why a bot did not answer, in words for a student or a professor. Names no model, address or key; a blind page says less still."""

from training.services.calls.outcome import CallFailed, Outcome

AGAIN = "Nothing was charged. Press “Try again”."
PERHAPS = (
    "Where this bot costs money it may be charged all the same: the costs page has it as unknown until the provider's bill "
    "is in. Press “Try again”."
)
EMPTY_ANSWER = (
    "The bot said nothing at all. Press “Try again”. If it stays silent, ask in other words."
)
NOT_SENT_NOW = f"What this answer may cost has changed since the question was asked, so it was not sent. {AGAIN}"
OUT_OF_FORMAT = (
    "The bot's answer was not in the form that its program wants, so there is nothing to show. The model was asked all the "
    "same, and where it costs money that is charged. Press “Try again”, or ask in other words."
)
NOT_ASKED = f"The server was restarted before it could ask the bot. {AGAIN}"
LEFT_BEHIND = f"The answer broke off because the server was restarted. {PERHAPS}"
BY_STATUS = {
    400: f"The model's server did not accept this conversation. {AGAIN} If that does not help, start a new conversation.",
    401: "The model's server refused the platform's key. Nothing was charged. Please tell your instructor.",
    403: "The model's server refused the platform's key. Nothing was charged. Please tell your instructor.",
    404: "The trained model is no longer where it was. Nothing was charged. Please tell your instructor.",
    429: f"Too many questions are being asked at the moment. Wait half a minute. {AGAIN}",
}
BUSY = f"The model's server has a problem of its own. {AGAIN} If it goes on for long, please tell your instructor."
AWAY = f"The model's server does not answer at the moment. {AGAIN} If it goes on for long, please tell your instructor."
SLOW = f"The model's server took too long. {PERHAPS}"
BROKE_OFF = f"The connection to the model's server broke off. {PERHAPS}"
WITHOUT_HELP = frozenset(
    {BY_STATUS[401], BY_STATUS[403], BY_STATUS[404]}
)  # asking again is of no use


def in_plain_words(failed: CallFailed) -> str:
    """One sentence on what happened and one on what to do."""
    if failed.outcome is Outcome.REFUSED:
        return (
            OUT_OF_FORMAT
            if failed.usage is not None
            else BY_STATUS.get(failed.status or 0, BUSY)
        )
    if failed.outcome is Outcome.NEVER_REACHED:
        return AWAY
    return SLOW if failed.slow else BROKE_OFF


def for_a_grader(message: str) -> str:
    """The same on a blind page: nothing of servers, keys, models or money, because each method fails in its own way."""
    if message in ("", EMPTY_ANSWER):
        return message
    if message in WITHOUT_HELP:
        return "The student cannot answer. Please tell your instructor. What you have written is saved."
    return "The student did not answer this time. Press “Try again”. If that goes on, please tell your instructor."
