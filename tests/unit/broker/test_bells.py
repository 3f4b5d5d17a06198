"""
News of messages between the processes on a SQLite file.
"""

import os
import sys
from pathlib import Path
from shutil import rmtree
from socket import AF_UNIX, SOCK_DGRAM, socket
from subprocess import PIPE, Popen
from threading import Thread
from threading import enumerate as threads

import pytest

from microcosm_pubsub.broker.bells import MAX_PATH, Bells
from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.notify import FileNotifier
from tests.waiting import SECONDS


#: Longer than any test runs.
LONG_SECONDS = 3600.0

SENDER = """
import sys

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.queue_client import BrokerQueueClient

client = BrokerQueueClient(Broker(sys.argv[1]))
for line in sys.stdin:
    client.send_message(QueueUrl="queue", MessageBody=line.strip())
    print("sent", flush=True)
"""


class Listening:
    """A receive that waits, and finds messages by news alone."""

    def __init__(self, queue):
        self.bodies = []
        notifier = queue.broker.notifier
        notifier.listen()
        notifier.net_seconds = LONG_SECONDS
        self.thread = Thread(target=self.run, args=(queue,))
        self.thread.start()

    def run(self, queue):
        self.bodies += [message["Body"] for message in queue.receive(WaitTimeSeconds=20)]

    def join(self):
        self.thread.join(15)
        return self.bodies


def get_folder(url):
    return Path(url.removeprefix("sqlite:///") + "-bells")


def test_another_process_is_heard(file_url, make_queue):
    queue = make_queue(file_url)
    listening = Listening(queue)
    process = Popen([sys.executable, "-c", SENDER, file_url], stdin=PIPE, stdout=PIPE, text=True)
    process.communicate("a\n", timeout=60)

    assert process.returncode == 0
    assert listening.join() == ["a"]
    assert queue.broker.notifier.heard == 1


def test_it_does_not_ring_its_own(file_url, make_queue):
    queue = make_queue(file_url)
    listening = Listening(queue)
    queue.send("a")

    assert listening.join() == ["a"]
    assert queue.broker.notifier.heard == 0


def test_a_bell_tells_which_queues_have_messages(file_url):
    Path(file_url.removeprefix("sqlite:///")).touch()
    bells = Bells(file_url.removeprefix("sqlite:///"))
    bell = bells.hang()
    for rung, heard in (
        ([["a"], ["b", "c"]], {"a", "b", "c"}),
        ([["a"], None], None),
        ([["a" * 80 for _ in range(100)]], None),
    ):
        for queues in rung:
            bells.ring(queues=queues)
        assert bell.wait() == heard
    bell.take_down()
    bell.listener.close()
    bells.close()


def test_no_news_rings_no_bell_and_a_delete_is_news_of_a_fifo_queue_alone(file_url, make_queue):
    queue, fifo = make_queue(file_url), make_queue(file_url, fifo=True)
    bells = Bells(file_url.removeprefix("sqlite:///"))
    bell = bells.hang()
    queue.broker.notifier.wake([])
    for each, options, heard in ((queue, {}, {"end"}), (fifo, {"MessageGroupId": "g"}, {"queue.fifo", "end"})):
        each.send("a", **options)
        assert bell.wait() == {each.url.rpartition("/")[2]}
        (message,) = each.receive()
        each.delete(message)
        queue.broker.notifier.wake(["end"])
        assert bell.wait() == heard
    bell.take_down()
    bell.listener.close()
    bells.close()


def test_news_of_another_queue_from_another_process_wakes_nobody(file_url, make_queue):
    one, other = make_queue(file_url), make_queue(file_url)
    notifier = one.broker.notifier
    notifier.listen()
    unheard, heard = notifier.hear("unheard"), notifier.hear("queue")
    with unheard.listening() as silence, heard.listening() as news:
        other.send("a")
        assert news.wait(LONG_SECONDS)
        assert not silence.is_set()


def test_a_path_that_is_too_long_for_a_socket(tmp_path, make_queue):
    folder = tmp_path / ("deep" * 20) / ("deeper" * 10)
    folder.mkdir(parents=True)
    url = f"sqlite:///{folder}/pubsub.db"
    assert len(url) > MAX_PATH
    one, other = make_queue(url), make_queue(url)
    listening = Listening(one)
    other.send("a")

    assert listening.join() == ["a"]


def test_the_socket_of_a_process_that_was_killed_is_removed(file_url, make_queue):
    queue = make_queue(file_url)
    queue.broker.notifier.listen()
    (own,) = os.listdir(get_folder(file_url))
    left = socket(AF_UNIX, SOCK_DGRAM)
    left.bind(str(get_folder(file_url) / "1-dead"))
    left.close()

    queue.send("a")

    assert os.listdir(get_folder(file_url)) == [own]


def test_a_file_that_is_no_socket_is_left_where_it_is(file_url, tmp_path, make_queue):
    queue = make_queue(file_url)
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.txt").touch()
    get_folder(file_url).symlink_to(home)

    queue.send("a")

    assert os.listdir(home) == ["thesis.txt"]


def test_names_that_are_no_text(tmp_path):
    folder = tmp_path / os.fsdecode(b"\xff")
    folder.mkdir()
    bells = Bells(str(folder / "pubsub.db"))
    (folder / "pubsub.db").touch()
    bell = bells.hang()
    (bells.folder / os.fsdecode(b"\xfe")).touch()

    bells.ring(queues=["a"])

    assert bell.wait() == {"a"}
    bell.take_down()
    bell.listener.close()
    bells.close()


def test_a_socket_that_is_full_keeps_nobody(file_url, make_queue):
    queue = make_queue(file_url)
    queue.broker.notifier.listen()
    with socket(AF_UNIX, SOCK_DGRAM) as slow:
        slow.bind(str(get_folder(file_url) / "1-slow"))
        for _ in range(300):
            queue.broker.notifier.bells.ring()
        # nobody reads it, and it is left alone
        assert "1-slow" in os.listdir(get_folder(file_url))


def test_where_no_socket_can_be_made_receives_look(file_url, make_queue):
    get_folder(file_url).write_text("in the way")
    one, other = make_queue(file_url), make_queue(file_url)
    one.broker.notifier.listen()
    assert one.broker.notifier.net_seconds < 1
    thread = Thread(target=lambda: bodies.extend(one.receive(WaitTimeSeconds=20)))
    bodies = []
    thread.start()
    other.send("a")
    thread.join(15)
    assert [message["Body"] for message in bodies] == ["a"]


def test_those_who_may_write_may_ring(file_url):
    broker = Broker(file_url)
    database = Path(file_url.removeprefix("sqlite:///"))
    database.chmod(0o664)
    bell = Bells(str(database)).hang()
    assert bell.path.stat().st_mode & 0o777 == 0o664
    bell.take_down()
    bell.listener.close()
    broker.close()


def test_at_its_end_nothing_is_left(file_url):
    before = set(threads())
    broker = Broker(file_url)
    broker.notifier.listen()
    assert len(os.listdir(get_folder(file_url))) == 1
    broker.close()
    broker.close()
    assert os.listdir(get_folder(file_url)) == []
    assert set(threads()) <= before
    broker.notifier.listen()
    assert os.listdir(get_folder(file_url)) == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a socket without a peer is not shut down")
def test_it_ends_when_its_folder_was_deleted(file_url):
    before = set(threads())
    broker = Broker(file_url)
    broker.notifier.listen()
    rmtree(get_folder(file_url))
    closing = Thread(target=broker.close, daemon=True)
    closing.start()
    closing.join(SECONDS)

    assert not closing.is_alive()
    assert set(threads()) <= before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_a_bell_of_its_own(file_url):
    notifier = FileNotifier(file_url.removeprefix("sqlite:///"))
    Path(file_url.removeprefix("sqlite:///")).touch()
    notifier.listen()
    (own,) = os.listdir(get_folder(file_url))
    child = os.fork()
    if child == 0:
        notifier.listen()
        notifier.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.listdir(get_folder(file_url)) == [own]
    notifier.close()
