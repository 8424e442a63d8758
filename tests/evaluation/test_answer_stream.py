"""What a browser receives while an answer comes: each piece once, whoever joins when."""

import asyncio
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async

from evaluation.models import Turn, TurnStatus
from evaluation.services import answering, chat
from evaluation.services.answer_stream import _so_far, answer_events
from teams import live
from tests import factories
from tests.evaluation.conftest import in_this_thread, make_run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]


def new_turn(monkeypatch):
    """A question that was put and that nobody answers yet."""
    monkeypatch.setattr(answering.desk, "start", lambda turn_id: None)
    course = factories.make_course()
    person = factories.make_person()
    talk = chat.open_conversation(run=make_run(factories.make_team(course, "Maple", person)), person=person)
    return chat.ask(conversation=talk, question="What is ice?", person=person)


@pytest.fixture
async def turn(db, monkeypatch, redis_server, model_server):
    return await sync_to_async(new_turn)(monkeypatch)


def events(frames):
    """(event, data) pairs of the frames, keep-alive comments left out."""
    found = []
    for frame in frames:
        fields = [line.partition(": ")[::2] for line in frame.strip("\n").split("\n")]
        names = dict(fields)
        if "event" in names:
            found.append((names["event"], "\n".join(value for name, value in fields if name == "data")))
    return found


def shown(frames):
    """The text that a browser has after these frames."""
    text = ""
    for event, data in events(frames):
        if event == "whole":
            text = data.split("<span")[0]
        elif event == "token":
            text += data
    return text


async def read(turn_key, last_id=""):
    turn = await Turn.objects.select_related("conversation").aget(key=turn_key)
    return [frame async for frame in answer_events(turn, last_id)]


async def until(condition):
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110  (Redis is asked, nothing tells)
            await asyncio.sleep(0.01)


async def arrived(turn, text):
    """Wait until that much of the answer is on its way to browsers."""

    async def there():
        rows = await live.hub().since(turn.topic, "0")
        return "".join(data for _, event, data in rows if event == "token") == text

    await until(there)


async def test_two_tabs_that_join_at_different_times_show_the_same_answer(turn, model_server):
    model_server.hold_after = 2
    first = asyncio.create_task(read(turn.key))
    answering_it = asyncio.create_task(answering.answer(turn.pk, database=in_this_thread))
    await arrived(turn, "It turns into ")
    second = asyncio.create_task(read(turn.key))
    model_server.go_on.set()
    await answering_it
    for frames in (await first, await second):
        assert shown(frames) == "It turns into ice!"
        assert events(frames)[-1] == ("done", "")


async def test_a_reconnect_goes_on_from_where_it_was(turn, model_server):
    model_server.hold_after = 2
    answering_it = asyncio.create_task(answering.answer(turn.pk, database=in_this_thread))
    await arrived(turn, "It turns into ")
    last_id = (await live.hub().since(turn.topic, "0"))[-1][0]
    model_server.go_on.set()
    await answering_it
    assert events(await read(turn.key, last_id)) == [("token", "ice!"), ("done", "")]


async def test_who_comes_after_the_end_gets_the_answer_and_done(turn):
    await answering.answer(turn.pk, database=in_this_thread)
    frames = await read(turn.key)
    assert shown(frames) == "It turns into ice!" and events(frames)[-1] == ("done", "")


async def test_after_the_stream_is_gone_from_redis_the_row_answers(turn):
    await answering.answer(turn.pk, database=in_this_thread)
    await Turn.objects.filter(pk=turn.pk).aupdate(finished_at=turn.created_at - timedelta(minutes=1))
    await live.hub().redis.delete(f"live:{turn.topic}")
    frames = await read(turn.key)
    assert shown(frames) == "It turns into ice!" and events(frames)[-1] == ("done", "")


async def test_hostile_pieces_are_escaped_and_newlines_survive(turn, model_server):
    model_server.pieces = ["<script>", "alert(1)</script>", "\n\nevent: done\ndata: x", "\r\nend"]
    await answering.answer(turn.pk, database=in_this_thread)
    frames = await read(turn.key)
    assert "<script>" not in "".join(frames)
    assert shown(frames).startswith("&lt;script&gt;alert(1)&lt;/script&gt;\n\nevent: done\ndata: x\nend")
    assert [event for event, _ in events(frames)].count("done") == 1


@pytest.mark.parametrize("stopped_elsewhere", [False, True])
async def test_stop_ends_the_stream_with_all_that_came(stopped_elsewhere, turn, model_server):
    model_server.hold_after = 2
    reading = asyncio.create_task(read(turn.key))
    answering_it = asyncio.create_task(answering.answer(turn.pk, database=in_this_thread))
    await arrived(turn, "It turns into ")
    if stopped_elsewhere:
        await sync_to_async(turn.finish)(TurnStatus.STOPPED)
    answering_it.cancel()
    await answering_it
    assert shown(await reading) == "It turns into "
    await turn.arefresh_from_db()
    assert (turn.status, turn.answer) == (TurnStatus.STOPPED, "It turns into ")


async def test_a_piece_that_redis_did_not_take_comes_with_the_next_one(turn, monkeypatch):
    """Nobody knows whether it was taken after all, so the whole answer comes again."""
    send = live.aemit
    sent: list[tuple[str, str]] = []
    added: list[str] = []

    async def fails_at_the_second(topic, event, text):
        taken = len(sent) != 1 and await send(topic, event, text)
        sent.append((event, text))
        return taken

    async def all_sent():
        return outlet._sent == len(outlet.text) and len(sent) == len(added)

    async def somebody_reads():
        return turn.topic in live.hub().waiting

    monkeypatch.setattr(live, "aemit", fails_at_the_second)
    outlet = answering.Outlet(turn.topic)
    sending, reading = asyncio.create_task(outlet.run()), asyncio.create_task(read(turn.key))
    await until(somebody_reads)
    for piece in ("It turns", " into ", "<ice>", "!"):
        outlet.add(piece)
        added.append(piece)
        await until(all_sent)
    outlet.close()
    await sending
    assert sent[2] == ("whole", "It turns into &lt;ice&gt;")
    _, so_far = await _so_far(live.hub(), turn)
    assert so_far == "It turns into &lt;ice&gt;!", "what one who joins now gets"
    await send(turn.topic, live.END, "")
    assert shown(await reading) == "It turns into &lt;ice&gt;!"


async def test_pieces_that_the_row_has_before_redis_are_shown_once(turn):
    await Turn.objects.filter(pk=turn.pk).aupdate(answer="It turns into ")
    _, so_far = await _so_far(live.hub(), turn)
    await live.aemit(turn.topic, "token", "It turns into ")
    await live.aemit(turn.topic, live.END, "")
    frames = await read(turn.key, "0")
    assert so_far + shown(frames) == "It turns into "


async def test_without_redis_the_answer_still_arrives(turn, settings, monkeypatch):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    monkeypatch.setattr("evaluation.services.answer_stream.WITHOUT_REDIS_SECONDS", 0.01)
    reading = asyncio.create_task(read(turn.key))
    await answering.answer(turn.pk, database=in_this_thread)
    frames = await reading
    assert shown(frames) == "It turns into ice!" and events(frames)[-1] == ("done", "")
