"""Why a bot did not answer, in words for a student or a professor. Names no model, address or key: blind pages show it too."""

import httpx
import openai

AGAIN = "Nothing was charged. Press “Try again”."
EMPTY_ANSWER = f"The bot said nothing at all. {AGAIN} If it stays silent, ask in other words."
BY_STATUS = {
    400: f"The model's server did not accept this conversation. {AGAIN} If that does not help, start a new conversation.",
    401: "The model's server refused the platform's key. Nothing was charged. Please tell your instructor.",
    403: "The model's server refused the platform's key. Nothing was charged. Please tell your instructor.",
    404: "The trained model is no longer where it was. Nothing was charged. Please tell your instructor.",
    429: f"Too many questions are being asked at the moment. Wait half a minute. {AGAIN}",
}
BUSY = f"The model's server has a problem of its own. {AGAIN} If it goes on for long, please tell your instructor."
AWAY = f"The model's server does not answer at the moment. {AGAIN} If it goes on for long, please tell your instructor."
SLOW = f"The model's server took too long. {AGAIN}"


def in_plain_words(error: Exception) -> str:
    """One sentence on what happened and one on what to do."""
    if isinstance(error, openai.APIStatusError):
        return BY_STATUS.get(error.status_code, BUSY)
    if isinstance(error, openai.APITimeoutError | httpx.TimeoutException):
        return SLOW
    if isinstance(error, openai.APIConnectionError | httpx.TransportError):
        return AWAY
    return BUSY
