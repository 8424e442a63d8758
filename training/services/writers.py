"""Who can write rows for a team, and how each is asked: with examples of the team's own, one new example at a time.

Three kinds: a base model on this machine, the same with a bot of the team's answering what the base asks, and a model of a
provider. The first two cost nothing; a provider's model has a price.
"""

import random
import re
from dataclasses import dataclass, replace

from datasets.services.base_folders import TINY
from teams.models import FIRST_PROVIDER, Method, Team
from training.models import BaseModel, Drafting, Hosting, TrainingRun
from training.services import asked_models, charges
from training.services.asked_models import AskedModel
from training.services.calls.prepare import Message, PreparedCall, prepare, prepare_for_model
from training.services.charges import LOCAL_PROVIDER, TokenPrices
from training.services.endpoints import ChatEndpoint, endpoint_for, endpoint_for_base
from training.services.tokens import count_messages

BASE = "base"
BOT = "bot"
MODEL = "model"
LONGEST_ROW_TOKENS = 160
SHOWN_AT_ONCE = 5  # examples: more do not fit a small model's memory, and each costs tokens
TEMPERATURE = 0.9  # twenty rows that say the same teach nothing
TEMPERATURE_HERE = 0.8  # a small model loses its thread sooner
INSTRUCTION = (
    "You write examples of a teacher and a second-grade child talking. Answer with exactly one new example, as two lines: "
    "'Teacher:' with what the teacher asks, and 'Child:' with what the child says. The child talks as in the examples before."
)
ASK = "Write one more example."
THEMES = (
    *("numbers and sums", "animals", "feelings", "plants", "family", "the weather"),
    *("reading and words", "friends and play", "food", "time and money"),
)
_EXAMPLE = re.compile(
    r"teacher\s*:\s*(?P<asked>[^\n]+?)\s*\n+\s*(?:child|student)\s*:\s*(?P<said>.+)", re.I | re.S
)
_NEXT_SPEAKER = re.compile(r"\n\s*(?:teacher|child|student)\s*:.*", re.I | re.S)


class NoWriter(Exception):
    """This writer cannot be asked here any more; the message says why and what to do."""


@dataclass(frozen=True)
class Exchange:
    """What a teacher asked and a child said."""

    asked: str
    said: str


@dataclass(frozen=True)
class Writer:
    """Somebody who can be asked. `reference` names it in forms and rows; exactly one of the last three is set.

    `bot`'s answers come from it, its questions from its base model.
    """

    reference: str
    name: str
    base: BaseModel | None = None
    bot: TrainingRun | None = None
    model: AskedModel | None = None

    @property
    def leaves(self) -> bool:
        """Whether the examples leave this machine."""
        return self.model is not None

    @property
    def kind(self) -> str:
        return self.reference.partition(":")[0]


def writers_of(team: Team) -> list[Writer]:
    """All who can write for a team: base models here, its bots here, and models of providers that may draft rows."""
    bases = _bases(team)
    found = [
        Writer(f"{BASE}:{base.pk}", f"{base.label}, on this platform", base=base)
        for base in bases
    ]
    runs = (
        TrainingRun.objects.for_team(team)
        .finished()
        .shown()
        .adapters()
        .select_related("base_model", "team__course")
    )
    known = {base.pk for base in bases}
    for run in runs:
        if run.base_model_id in known:
            found.append(Writer(f"{BOT}:{run.number}", f"your bot: {run}", bot=run))
    for model in asked_models.drafting_models(team.course):
        found.append(Writer(f"{MODEL}:{model.reference}", str(model), model=model))
    return found


def _bases(team: Team) -> list[BaseModel]:
    """The tests' tiny model is no writer: its memory holds no examples."""
    here = BaseModel.objects.for_course(team.course).filter(
        hosting__in=[Hosting.BUNDLED, Hosting.HUGGING_FACE]
    )
    return list(here.filter(method=Method.LORA).exclude(name=TINY).order_by("id"))


def writer(team: Team, reference: str, among: list[Writer] | None = None) -> Writer:
    """`among`: as `writers_of` says. Raises NoWriter."""
    for one in writers_of(team) if among is None else among:
        if one.reference == reference:
            return one
    raise NoWriter("This writer is not offered here any more. Choose another one.")


def prices_of(drafting: Drafting) -> TokenPrices | None:
    """What the writer's tokens cost; None for one on this machine. Raises PriceUnknown."""
    kind, _, named = drafting.writer.partition(":")
    if kind != MODEL:
        return None
    code, model = asked_models.split(named)
    return charges.token_prices(course=drafting.team.course, model=model, provider=code)


def named_in_ledger(drafting: Drafting) -> tuple[Method, str, str]:
    """(method, provider, model) under which its charges are booked."""
    kind, _, named = drafting.writer.partition(":")
    if kind != MODEL:
        return Method.LORA, LOCAL_PROVIDER, drafting.writer_name[:200]
    code, model = asked_models.split(named)
    return Method.OPENAI, code or FIRST_PROVIDER, model


def call_for(
    one: Writer,
    examples: list[Exchange],
    *,
    prices: TokenPrices | None,
    topic: str,
    seed: str,
    position: int,
) -> PreparedCall:
    """The request for the row at `position` (from 0), the same whenever it is made.

    `prices`: as `prices_of` says. Raises NotReady.
    """
    draw = random.Random(f"{seed} {position}")  # noqa: S311  (which examples are shown is no secret)
    # A theme keeps a big model from asking the same again; a small one only copies, and loses the form over it.
    theme = topic or (THEMES[position % len(THEMES)] if one.leaves else "")
    messages = _messages(examples, theme=theme, draw=draw)
    if one.model is not None:
        assert prices is not None, "a provider's model is asked at a price"
        endpoint = one.model.endpoint(max_tokens=LONGEST_ROW_TOKENS)
        call = prepare_for_model(endpoint, messages, prices)
    else:
        call = _free(endpoint_for_base(_base_of(one)), messages)
    return replace(
        call,
        decoding={
            "temperature": TEMPERATURE if one.leaves else TEMPERATURE_HERE,
            "seed": position + 1,
        },
    )


def answer_call(one: Writer, asked: str, *, position: int) -> PreparedCall:
    """The request to a team's bot for its answer. Raises NotReady."""
    assert one.bot is not None
    endpoint = endpoint_for(one.bot)
    told: list[Message] = [{"role": "user", "content": asked}]
    if endpoint.system_prompt:
        told.insert(0, {"role": "system", "content": endpoint.system_prompt})
    call = prepare(one.bot, endpoint, told, max_tokens=LONGEST_ROW_TOKENS)
    return replace(call, decoding={"seed": position + 1})


def _base_of(one: Writer) -> BaseModel:
    base = one.base or (one.bot.base_model if one.bot is not None else None)
    assert base is not None
    return base


def _free(endpoint: ChatEndpoint, messages: list[Message]) -> PreparedCall:
    longest = min(LONGEST_ROW_TOKENS, endpoint.context_tokens // 3)
    return PreparedCall(endpoint, messages, longest, count_messages(messages))


def _messages(examples: list[Exchange], *, theme: str, draw: random.Random) -> list[Message]:
    shown = draw.sample(examples, min(SHOWN_AT_ONCE, len(examples)))
    messages: list[Message] = [{"role": "system", "content": INSTRUCTION}]
    for one in shown:
        messages.append({"role": "user", "content": ASK})
        messages.append(
            {"role": "assistant", "content": f"Teacher: {one.asked}\nChild: {one.said}"}
        )
    messages.append({"role": "user", "content": f"{ASK} It is about {theme}." if theme else ASK})
    return messages


def exchange_in(text: str) -> Exchange | None:
    """The first question and answer in what a model wrote; None where there is none."""
    found = _EXAMPLE.search(text.strip())
    if found is None:
        return None
    said = _NEXT_SPEAKER.sub("", found["said"]).strip().strip("\"'").strip()
    asked = found["asked"].strip().strip("\"'").strip()
    return Exchange(asked, said) if asked and said else None
