"""What a browser receives while an answer comes: each piece once, whoever joins when."""

import asyncio
from contextlib import aclosing
from datetime import timedelta

import pytest
import redis
from asgiref.sync import sync_to_async

from evaluation.models import Turn, TurnStatus
from evaluation.services import answering, chat
from evaluation.services.answer_stream import answer_events
from evaluation.services.live_answers import Outlet, here
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
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110  (Redis is asked, nothing tells)
            await asyncio.sleep(0.01)


@pytest.fixture
async def listening(redis_server):
    """This process hears Redis. While nobody does nothing is told to Redis, and a test would wait for that in vain."""
    heard = live.hub().join("ready")

    async def hears():
        live.wake("ready")
        return heard.is_set()

    await until(hears)
    live.hub().leave("ready", heard)


@pytest.fixture(params=["in this process", "in another process"])
def read_where(request, monkeypatch):
    """Whether the answer is made in the process that reads it: from there it goes to the browser without Redis."""
    if request.param == "in another process":
        monkeypatch.setattr("evaluation.services.answer_stream.here", dict)
    return request.param


async def arrived(turn, text):
    """Wait until that much of the answer is on its way to browsers, in this process and in others."""

    async def there():
        return await live.hub().told(turn.topic) == "0" + text

    await until(there)


async def somebody_reads(turn):
    async def reads():
        outlet = here().get(turn.pk)
        return bool(live.hub().waiting.get(turn.topic)) or bool(outlet and outlet._woken)

    await until(reads)


@pytest.mark.usefixtures("read_where", "listening")
async def test_two_tabs_that_join_at_different_times_show_the_same_answer(turn, model_server):
    model_server.hold_after = 2
    answering_it = asyncio.create_task(answering.answer(turn.pk, database=in_this_thread))
    await asyncio.sleep(0)
    first = asyncio.create_task(read(turn.key))
    await arrived(turn, "It turns into ")
    second = asyncio.create_task(read(turn.key))
    await asyncio.sleep(0)
    model_server.go_on.set()
    await answering_it
    for frames in (await first, await second):
        assert shown(frames) == "It turns into ice!"
        assert events(frames)[-1] == ("done", "")


@pytest.mark.usefixtures("listening")
async def test_the_first_piece_comes_before_the_second_is_there(turn, model_server, read_where):
    model_server.hold_after = 1
    answering_it = asyncio.create_task(answering.answer(turn.pk, database=in_this_thread))
    await asyncio.sleep(0)
    seen = [frame async for frame in until_token(turn)]
    assert shown(seen) == "It turns"
    model_server.go_on.set()
    await answering_it


async def until_token(turn):
    """The frames up to the first that shows anything."""
    async with aclosing(answer_events(turn)) as frames:
        async for frame in frames:
            yield frame
            if shown([frame]):
                return


async def test_a_place_that_is_no_number_is_the_beginning(turn, model_server):
    await answering.answer(turn.pk, database=in_this_thread)
    assert shown(await read(turn.key, "²")) == "It turns into ice!"


@pytest.mark.usefixtures("read_where", "listening")
async def test_a_reconnect_goes_on_from_where_it_was(turn, model_server):
    model_server.hold_after = 2
    answering_it = asyncio.create_task(answering.answer(turn.pk, database=in_this_thread))
    await arrived(turn, "It turns into ")
    back = asyncio.create_task(read(turn.key, str(len("It turns into "))))
    model_server.go_on.set()
    await answering_it
    assert events(await back) == [("token", "ice!"), ("done", "")]


async def test_a_reconnect_after_the_end_gets_only_what_is_missing(turn):
    await answering.answer(turn.pk, database=in_this_thread)
    assert events(await read(turn.key, str(len("It turns")))) == [("token", " into ice!"), ("done", "")]


@pytest.mark.usefixtures("read_where", "listening")
async def test_every_frame_says_how_far_it_brings_the_reader(turn, model_server):
    """Whichever frame was the last one before the line broke, coming back with its id loses and doubles nothing."""
    model_server.pieces = ["a < b", " & ", "c"]
    whole = "a &lt; b &amp; c"
    answering_it = asyncio.create_task(answering.answer(turn.pk, database=in_this_thread))
    await asyncio.sleep(0)
    frames = await read(turn.key)
    await answering_it
    telling = [frame for frame in frames if not frame.startswith((":", "event: done"))]
    ids = [line[4:] for frame in telling for line in frame.split("\n") if line.startswith("id: ")]
    assert len(ids) == len(telling)
    for at, last_id in enumerate(ids):
        assert shown(telling[: at + 1]) + shown(await read(turn.key, last_id)) == whole
    assert shown(frames) == whole


async def test_who_comes_after_the_end_gets_the_answer_and_done(turn):
    await answering.answer(turn.pk, database=in_this_thread)
    frames = await read(turn.key)
    assert shown(frames) == "It turns into ice!" and events(frames)[-1] == ("done", "")


async def test_after_redis_forgot_it_the_row_answers(turn):
    await answering.answer(turn.pk, database=in_this_thread)
    await Turn.objects.filter(pk=turn.pk).aupdate(finished_at=turn.created_at - timedelta(minutes=1))
    await live.hub().redis.delete(f"told:{turn.topic}")
    frames = await read(turn.key)
    assert shown(frames) == "It turns into ice!" and events(frames)[-1] == ("done", "")


async def test_hostile_pieces_are_escaped_and_newlines_survive(turn, model_server):
    model_server.pieces = ["<script>", "alert(1)</script>", "\n\nevent: done\ndata: x", "\r\nend"]
    await answering.answer(turn.pk, database=in_this_thread)
    frames = await read(turn.key)
    assert "<script>" not in "".join(frames)
    assert shown(frames).startswith("&lt;script&gt;alert(1)&lt;/script&gt;\n\nevent: done\ndata: x\nend")
    assert [event for event, _ in events(frames)].count("done") == 1


@pytest.mark.usefixtures("read_where", "listening")
@pytest.mark.parametrize("stopped_elsewhere", [False, True])
async def test_stop_ends_the_stream_with_all_that_came(stopped_elsewhere, turn, model_server, monkeypatch):
    monkeypatch.setattr("evaluation.services.answer_stream.LAST_WORDS_SECONDS", 60)
    model_server.hold_after = 2
    answering_it = asyncio.create_task(answering.answer(turn.pk, database=in_this_thread))
    await asyncio.sleep(0)
    reading = asyncio.create_task(read(turn.key))
    await arrived(turn, "It turns into ")
    if stopped_elsewhere:
        await sync_to_async(turn.finish)(TurnStatus.STOPPED)
    answering_it.cancel()
    await answering_it
    assert shown(await reading) == "It turns into "
    await turn.arefresh_from_db()
    assert (turn.status, turn.answer) == (TurnStatus.STOPPED, "It turns into ")


@pytest.mark.usefixtures("listening")
async def test_what_redis_did_not_take_comes_with_the_next_sending(turn, monkeypatch):
    tell = live.atell
    told: list[bool] = []

    async def fails_at_first(states):
        told.append(bool(told) and await tell(states))
        return told[-1]

    monkeypatch.setattr(live, "atell", fails_at_first)
    monkeypatch.setattr("evaluation.services.answer_stream.here", dict)
    outlet = Outlet()
    outlet.begin(turn.topic)
    reading = asyncio.create_task(read(turn.key))
    await somebody_reads(turn)
    for piece in ("It turns", " into ", "<ice>"):
        outlet.add(piece)
    await arrived(turn, "It turns into &lt;ice&gt;")
    await outlet.end()
    assert told[0] is False
    assert shown(await reading) == "It turns into &lt;ice&gt;"


@pytest.mark.usefixtures("listening")
async def test_who_reads_while_redis_comes_back_misses_nothing_and_sees_nothing_twice(turn, monkeypatch):
    """The row shows the answer meanwhile; then Redis goes on where the row was."""
    hub = live.hub()
    known, away = hub.told, [True]

    async def told(topic):
        if away[0]:
            raise redis.exceptions.ConnectionError("scripted")
        return await known(topic)

    monkeypatch.setattr(hub, "told", told)
    monkeypatch.setattr("evaluation.services.answer_stream.WITHOUT_REDIS_SECONDS", 0.01)
    frames = []

    async def reading():
        async for frame in answer_events(turn):
            frames.append(frame)

    async def has_read_the_row():
        return shown(frames) == "It turns"

    task = asyncio.create_task(reading())
    await Turn.objects.filter(pk=turn.pk).aupdate(answer="It turns")
    await until(has_read_the_row)
    away[0] = False
    await live.atell({turn.topic: "0It turns into "})
    await live.atell({turn.topic: "1It turns into ice!"})
    await task
    assert shown(frames) == "It turns into ice!"


@pytest.mark.usefixtures("read_where")
async def test_without_redis_the_answer_still_arrives(turn, settings, monkeypatch):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    monkeypatch.setattr("evaluation.services.answer_stream.WITHOUT_REDIS_SECONDS", 0.01)
    answering_it = asyncio.create_task(answering.answer(turn.pk, database=in_this_thread))
    await asyncio.sleep(0)
    frames = await read(turn.key)
    await answering_it
    assert shown(frames) == "It turns into ice!" and events(frames)[-1] == ("done", "")


async def test_one_beat_writes_all_answers_and_stops_what_someone_stopped(turn, model_server, monkeypatch):
    """Someone pressed Stop in another process: the beat tells this one."""
    monkeypatch.setattr(answering, "PROGRESS_SECONDS", 0.02)
    model_server.hold_after = 2
    answering_it = asyncio.create_task(answering.answer(turn.pk, database=in_this_thread))

    async def written():
        return (await Turn.objects.aget(pk=turn.pk)).answer == "It turns into "

    await until(written)
    await sync_to_async(turn.finish)(TurnStatus.STOPPED)
    await answering_it
    await turn.arefresh_from_db()
    assert (turn.status, turn.answer) == (TurnStatus.STOPPED, "It turns into ")


@pytest.mark.usefixtures("listening")
async def test_a_process_that_ends_fails_its_answers_at_once_and_says_why(turn, model_server):
    model_server.hold_after = 2
    desk = answering.Desk()
    desk.work_in(asyncio.get_running_loop())
    answering_it = asyncio.create_task(answering.answer(turn.pk, database=in_this_thread), name=f"turn-{turn.pk}")
    await arrived(turn, "It turns into ")
    await desk.close()
    await answering_it
    await turn.arefresh_from_db()
    assert (turn.status, turn.answer) == (TurnStatus.FAILED, "It turns into ")
    assert "restarted" in turn.error_message


@pytest.mark.usefixtures("listening")
async def test_a_process_that_may_drain_ends_after_its_answers(turn, model_server, settings):
    settings.DRAIN_SECONDS = 300
    model_server.hold_after = 2
    desk = answering.Desk()
    desk.work_in(asyncio.get_running_loop())
    answering_it = asyncio.create_task(answering.answer(turn.pk, database=in_this_thread), name=f"turn-{turn.pk}")
    await arrived(turn, "It turns into ")
    closing = asyncio.create_task(desk.close())
    await asyncio.sleep(0)
    assert not closing.done()
    model_server.go_on.set()
    await closing
    await answering_it
    await turn.arefresh_from_db()
    assert (turn.status, turn.answer) == (TurnStatus.DONE, "It turns into ice!")
