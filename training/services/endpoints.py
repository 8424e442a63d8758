"""Where a finished run, or an untrained base model, answers chats, and exactly how it must be asked."""

from dataclasses import dataclass, field, replace

from django.conf import settings

from datasets.services.base_folders import TINY
from teams.models import FIRST_PROVIDER, Method, Provider
from teams.services import outgoing, providers, sealing
from training.model_needs import thinks_first
from training.models import BaseModel, Hosting, Missing, RunStatus, TrainingRun
from training.services import model_servers
from training.services.charges import provider_name
from training.services.method_work import work_of

TINY_CONTEXT_TOKENS = 512
LOCAL_CONTEXT_TOKENS = 2_048  # of what local bases read, which is more: a long memory makes answers slow on a processor
PROVIDER_CONTEXT_TOKENS = (
    16_000  # far below what gpt-4o-mini reads: a chat's memory costs money at every turn
)
CHAT_TEMPERATURE = 0.7
MOST_PROGRAM_TOKENS = 4_000
MOST_THINKING_TOKENS = 32_000  # with the thinking of a model that thinks first


class NotReady(Exception):
    """There is nothing to talk to: the run has not finished, or its model is on another platform."""


@dataclass(frozen=True)
class ChatEndpoint:
    """An OpenAI-compatible chat address. `context_tokens` is what prompt and answer may take together.

    `guarded`: somebody typed the address in the browser, so requests go through `teams.services.outgoing`.
    """

    base_url: str
    api_key: str = field(repr=False)
    model: str
    system_prompt: str
    temperature: float
    max_tokens: int
    method: str
    provider: str
    context_tokens: int
    guarded: bool = False
    upstream: "Address | None" = None
    """Of a DSPy program: the provider that the program server asks for it, where the environment does not name it."""


@dataclass(frozen=True)
class Address:
    """Where to ask, and with what key. `guarded` as in ChatEndpoint.

    `addresses`: what the host is at, looked up and checked, for programs of ours that cannot check it themselves.
    """

    base_url: str
    api_key: str = field(repr=False)
    guarded: bool = False
    addresses: tuple[str, ...] = ()


def endpoint_for(run: TrainingRun) -> ChatEndpoint:
    """Where `run` answers, with the system prompt it was trained with. Raises NotReady for an unfinished run."""
    if run.status != RunStatus.SUCCEEDED:
        raise NotReady(f"{run} has not finished, so it cannot answer yet.")
    if why := why_out_of_reach(run):
        raise NotReady(why)
    return work_of(run.method).endpoint(run)


def of_adapter(run: TrainingRun) -> ChatEndpoint:
    """A model server of the operator's list that serves its base, or else the embedded one."""
    chosen = model_servers.for_run(run)
    if chosen is not None:
        return _at_server(chosen, _prompt_of(run), run.method, run.base_model)
    return _local(
        settings.MODEL_SERVER_URL, run.result_model, _prompt_of(run), run.method, run.base_model
    )


def of_program(run: TrainingRun) -> ChatEndpoint:
    """The program server. The program brings its own instructions: nothing may be added to what was optimised."""
    base = run.base_model
    found = _local(settings.PROGRAM_SERVER_URL, run.result_model, "", run.method, base)
    longest = program_answer_tokens(run)
    # A model that thinks first needs all of its room for an answer, beside the talk so far.
    context = (
        max(found.context_tokens, 3 * longest)
        if thinks_first(base.name)
        else found.context_tokens
    )
    return replace(found, max_tokens=longest, context_tokens=context, upstream=_upstream(base))


def of_job(run: TrainingRun) -> ChatEndpoint:
    """The provider that trained it. Raises NotReady."""
    model = run.deployment or run.result_model
    return _at_provider(model, _prompt_of(run), run.method, run.base_model)


def _prompt_of(run: TrainingRun) -> str:
    return str(run.result.get("system_prompt") or "")


def _upstream(base: BaseModel) -> Address | None:
    address = None if base.local else provider_address(base.provider)
    return pinned(address) if address is not None and address.guarded else None


def pinned(address: Address) -> Address:
    """With what its host is at now, where somebody typed it. Raises NotReady for one that may not be asked."""
    if not address.guarded:
        return address
    try:
        return replace(address, addresses=tuple(outgoing.addresses_of(address.base_url)))
    except outgoing.NotAllowed as error:
        raise NotReady(str(error)) from error


def why_out_of_reach(run: TrainingRun) -> str:
    """Why nobody can talk to an imported run here, in a sentence; empty for a run that answers."""
    if not run.works_here and run.status == RunStatus.SUCCEEDED and not run.result_model:
        return (
            f"{run} came with an imported course, and its model stays in the provider account it was trained with. "
            "Nobody can talk to it here: train again to have a bot."
        )
    if Missing.DEPLOYMENT in run.missing and not run.deployment:
        return (
            f"{run} is trained and paid for, and its provider has not deployed the model yet: nothing can be asked before. "
            "It is asked for again; the run's page says when."
        )
    if run.rehearsal:
        return f"{run} was a rehearsal: a stand-in answered, which this version no longer has. Train it again to have a bot."
    if run.base_model.hosting == Hosting.ELSEWHERE:
        return f"{run} needs {run.base_model.name}, which is not on this platform, so nobody can talk to it here."
    return ""


def program_answer_tokens(run: TrainingRun) -> int:
    """The longest answer of a DSPy program, its reasoning included: as it was optimised, so it is priced and asked."""
    chosen = run.settings.get("max_tokens")
    if not isinstance(chosen, int) or isinstance(chosen, bool) or chosen < 1:
        return int(settings.CHAT_MAX_ANSWER_TOKENS)
    return min(
        chosen,
        MOST_THINKING_TOKENS if thinks_first(run.base_model.name) else MOST_PROGRAM_TOKENS,
    )


def endpoint_for_base(base_model: BaseModel) -> ChatEndpoint:
    """Where the untrained base model answers: the picture before, beside a run's after. Raises NotReady."""
    if base_model.hosting == Hosting.ELSEWHERE:
        raise NotReady(
            f"{base_model.name} is not on this platform, so nobody can talk to it here."
        )
    chosen = model_servers.for_base(base_model) if base_model.local else None
    if chosen is not None:
        return _at_server(chosen, "", base_model.method, base_model)
    if base_model.local:
        return _local(
            settings.MODEL_SERVER_URL, base_model.name, "", base_model.method, base_model
        )
    return _at_provider(base_model.name, "", base_model.method, base_model)


def provider_address(provider: Provider | None) -> Address:
    """Of a provider; None: the environment's, whose key may be empty. Raises NotReady for one that was removed, or whose key
    cannot be opened."""
    if provider is None or provider.from_environment:
        return Address(settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY)
    if provider.removed_at is not None:
        raise NotReady(
            f"The provider {provider} was removed from this platform, so its models do not answer here."
        )
    try:
        return Address(provider.address, providers.key_of(provider), guarded=True)
    except sealing.CannotOpen as error:
        raise NotReady(f"{provider} cannot be asked. {error}") from error


def provider_model(provider: Provider | None, model: str, *, max_tokens: int) -> ChatEndpoint:
    """A model of a provider that is asked as itself, always in the same way: a judge, say. Raises NotReady."""
    address = provider_address(provider)
    return ChatEndpoint(
        base_url=address.base_url,
        api_key=address.api_key,
        model=model,
        system_prompt="",
        temperature=0,
        max_tokens=max_tokens,
        method=Method.OPENAI,
        provider=provider.code if provider is not None else FIRST_PROVIDER,
        context_tokens=PROVIDER_CONTEXT_TOKENS,
        guarded=address.guarded,
    )


def program_address(base: BaseModel) -> Address:
    """Of whoever answers for `base`: the model server here, or the provider. Raises NotReady."""
    if base.local:
        return Address(settings.MODEL_SERVER_URL, settings.SERVICE_TOKEN)
    return provider_address(base.provider)


def public_address(base: BaseModel) -> str:
    """Where programs made of `base` ask, without the key."""
    if base.local:
        return str(settings.MODEL_SERVER_URL)
    return base.provider.address if base.provider is not None else str(settings.OPENAI_BASE_URL)


def _local(
    base_url: str, model: str, system_prompt: str, method: str, base: BaseModel
) -> ChatEndpoint:
    context = LOCAL_CONTEXT_TOKENS if base.local else PROVIDER_CONTEXT_TOKENS
    if base.name == TINY:
        context = TINY_CONTEXT_TOKENS
    return ChatEndpoint(
        base_url=base_url,
        api_key=settings.SERVICE_TOKEN,
        model=model,
        system_prompt=system_prompt,
        temperature=CHAT_TEMPERATURE,
        max_tokens=settings.CHAT_MAX_ANSWER_TOKENS,
        method=method,
        provider=provider_name(base),
        context_tokens=context,
    )


def _at_server(
    chosen: model_servers.Chosen, system_prompt: str, method: str, base: BaseModel
) -> ChatEndpoint:
    found = _local(chosen.address, chosen.model, system_prompt, method, base)
    return replace(found, api_key=chosen.key, guarded=True)


def _at_provider(model: str, system_prompt: str, method: str, base: BaseModel) -> ChatEndpoint:
    address = provider_address(base.provider)
    return ChatEndpoint(
        base_url=address.base_url,
        api_key=address.api_key,
        model=model,
        system_prompt=system_prompt,
        temperature=CHAT_TEMPERATURE,
        max_tokens=settings.CHAT_MAX_ANSWER_TOKENS,
        method=method,
        provider=provider_name(base),
        context_tokens=PROVIDER_CONTEXT_TOKENS,
        guarded=address.guarded,
    )
