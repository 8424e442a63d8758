"""What happens to an answer of a bot when a part breaks in the middle of it: one question to one bot of each method.

The same five columns as for runs. `jobs`: none is made for an answer. `charges`: at most one, whatever became of it.
"""

import contextlib
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import httpx

from evaluation.models import Turn, TurnStatus
from teams.models import BudgetAccount, Hold, HoldState, LedgerEntry, Method
from tests.chaos import faults, processes, visitor
from tests.chaos.processes import Stuck, wait_for
from tests.chaos.scene import Row, Scene

QUESTION = "What is 15 + 8?"
TOKEN_DELAY_MS = 150.0  # of the provider: slow enough to be met in the middle of an answer
HUNG: dict[str, float | bool] = {"slow_chat": 0.0, "token_delay_ms": TOKEN_DELAY_MS}
LIVE_BUT_SLOW = (Method.OPENAI,)  # its answer is read piece by piece; the others' come from a process that is held

Strike = Callable[["Talks"], AbstractContextManager[None]]


@dataclass
class Talks:
    """Questions that were put to bots and are not answered yet, by method."""

    scene: Scene
    turns: dict[Method, Turn]
    held: list[int]

    def let_go(self) -> None:
        """What was held in the middle of an answer goes on, where it still lives."""
        for pid in self.held:
            processes.send(pid, signal.SIGCONT)
        self.held = []


def play(scene: Scene, strike: Strike, name: str, methods: list[Method], *, kept: bool) -> list[Row]:
    """Ask one bot of each method, break what `strike` breaks in mid-answer, and see what is left. Raises Stuck.

    `kept`: nothing that makes the answer is broken, so that it has to come whole.
    """
    scene.platform.wait_until_whole()
    scene.provider.set_faults()
    bots = {method: scene.bot_of(method).number for method in methods}
    scene.provider.set_faults(**HUNG)
    talks = Talks(scene, {}, [])
    try:
        for method in sorted(methods, key=lambda method: method in LIVE_BUT_SLOW):
            talks.turns[method] = _in_mid_answer(talks, method, bots[method])
        with strike(talks):
            talks.let_go()
    finally:
        talks.let_go()
    scene.provider.set_faults()
    for turn in talks.turns.values():
        wait_for(lambda: _is_settled(turn), f"turn {turn.pk} does not end")  # noqa: B023
    scene.platform.wait_until_whole()
    return [_left_by(talks, method, name, bots[method], kept=kept) for method in methods]


def _in_mid_answer(talks: Talks, method: Method, run: int) -> Turn:
    """The turn, at the moment at which the fault shall strike."""
    scene = talks.scene
    if method == Method.LORA:
        port = visitor.port_in(scene.platform.seen_inside, "MODEL_SERVER_URL")
        talks.held.append(_held(scene, "model-server"))
    elif method == Method.DSPY:
        port = visitor.port_in(scene.platform.seen_inside, "PROGRAM_SERVER_URL")
        talks.held.append(_held(scene, "program-server"))
    turn = ask(scene, run)
    if method in LIVE_BUT_SLOW:
        wait_for(lambda: _now(turn).answer, "no part of the answer comes")
    else:
        wait_for(lambda: visitor.waits_unread(port), "the question does not arrive")
    if not _now(turn).is_streaming:
        raise Stuck(f"the moment was missed: the turn is {_now(turn).status} already. {_now(turn).error_message}")
    return turn


def _held(scene: Scene, service: str) -> int:
    pid = wait_for(lambda: scene.platform.service(service), f"{service} does not run")
    processes.send(pid, signal.SIGSTOP)
    return pid


def ask(scene: Scene, run: int) -> Turn:
    """Through the page, as a member of the team: so the web process makes the answer."""
    with visitor.sign_in(scene.platform, scene.person) as web:
        known = set(Turn.objects.values_list("pk", flat=True))
        answer = web.post(f"/teams/{scene.team.pk}/chat/new/?run={run}", data={"question": QUESTION})
        if answer.status_code != httpx.codes.FOUND:
            raise Stuck(f"the question was not taken: {answer.status_code} {answer.text[-500:]}")
    return Turn.objects.exclude(pk__in=known).get()


def _now(turn: Turn) -> Turn:
    return Turn.objects.get(pk=turn.pk)


def _is_settled(turn: Turn) -> bool:
    open_hold = Hold.objects.filter(key=turn.hold_key, state=HoldState.OPEN).exists()
    return not _now(turn).is_streaming and not open_hold


def _left_by(talks: Talks, method: Method, name: str, run: int, *, kept: bool) -> Row:
    scene, turn = talks.scene, _now(talks.turns[method])
    charges = LedgerEntry.objects.filter(key=turn.hold_key).count()
    held = BudgetAccount.objects.get(team=scene.team).held
    orphans = len(scene.platform.strays())
    again = _answers_again(scene, run)
    outcome = f"{turn.status}, {len(turn.answer)} characters kept, {'answers' if again else 'silent'} again"
    broken = [
        *(["no reason given"] if turn.status == TurnStatus.FAILED and not turn.error_message else []),
        *([f"the answer that came is lost: {turn.error_message}"] if kept and turn.status != TurnStatus.DONE else []),
        *(["done without an answer"] if turn.status == TurnStatus.DONE and not turn.answer else []),
        *([f"{charges} charges"] if charges > 1 else []),
        *([f"{orphans} orphans"] if orphans else []),
        *(["money is held"] if held else []),
        *([] if again else ["no answer afterwards"]),
    ]
    return Row(method, name, outcome, 0, charges, orphans, held, "; ".join(broken))


def _answers_again(scene: Scene, run: int) -> bool:
    """Whether the same bot answers once everything is back; a server may still be loading its model."""

    def answered() -> bool:
        turn = ask(scene, run)
        wait_for(lambda: _is_settled(turn), f"turn {turn.pk} does not end")
        return _now(turn).status == TurnStatus.DONE

    try:
        return wait_for(answered, "no answer")
    except Stuck:
        return False


# --- What is broken ----------------------------------------------------------------------------------------------------


def service_killed(name: str) -> Strike:
    @contextlib.contextmanager
    def strike(talks: Talks) -> Iterator[None]:
        talks.scene.platform.kill(name)
        yield

    return strike


@contextlib.contextmanager
def provider_killed(talks: Talks) -> Iterator[None]:
    talks.scene.provider.kill()
    yield
    talks.scene.provider.start()


@contextlib.contextmanager
def disk_full(talks: Talks) -> Iterator[None]:
    """Full when the answers end, and so while they are settled; room again some seconds later."""
    with faults.disk_full(talks.scene):
        yield
