"""
Handler modules, as their author uses them: every step is a command in a process of its own.
"""

import os
import sys
from pathlib import Path
from subprocess import run

import pytest
from microcosm.api import create_object_graph, load_from_dict
from sqlalchemy import create_engine, inspect, text


MODEL = """
import json
import logging

from sqlalchemy.orm.session import Session
from sqlalchemy.schema import Column
from sqlalchemy.types import DateTime, Integer, Unicode

from microcosm_pubsub.sql import Base

log = logging.getLogger(__name__)


class MyEvent(Base):
    __tablename__ = 'my_event'

    id = Column(Integer, primary_key=True)
    name = Column(Unicode, nullable=False)


def process(dbsession: Session, record: bytes) -> None:
    # Deserialize the record; for example it could be JSON
    record = json.loads(record.decode('utf-8'))

    # Create the event, and add it to the transaction; it will be automatically
    # committed if no error is raised
    event = MyEvent(**record)
    dbsession.add(event)

    # Models can be pretty-printed, to make debugging easier
    log.info('Inserting event record: %s', event)
"""

COMMANDS = """
import argparse

from microcosm_pubsub.modules import Config


def register_commands(subs: argparse._SubParsersAction) -> None:
    something = subs.add_parser('do-something',
                                help='This will do something specific to the queue')
    something.set_defaults(subcommand=do_something)

    something_else = subs.add_parser('do-something-else',
                                     help='This will do something else specific to the queue')
    something_else.add_argument('-f', '--force', action='store_true', help='Forcefully do it')
    something_else.set_defaults(subcommand=do_something_else)


def do_something(config: Config, args: argparse.Namespace) -> None:
    print("We're doing something!")


def do_something_else(config: Config, args: argparse.Namespace) -> None:
    if not args.force:
        print("We're doing something else!")
    else:
        print("WE'RE DOING SOMETHING ELSE!!!")
"""

CONFLICT = """
revision = "c0nf11c7"
down_revision = {parent!r}
branch_labels = None
depends_on = None

from alembic import op
import sqlalchemy as sa


def upgrade():
    op.add_column("my_event", sa.Column("extra", sa.Unicode()))
    op.add_column("my_event", sa.Column({column!r}, sa.Unicode()))


def downgrade():
    pass
"""


class Project:
    """A project with a handler module, in a folder whose name has a space and a percent sign."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.module = folder / "another" / "processor"
        self.module.mkdir(parents=True)
        (folder / "another" / "__init__.py").touch()
        self.write(MODEL + COMMANDS)
        self.configure(f'[queues.some-queue]\nhandler = "another.processor"\n[database]\nurl = "{url}"\n')

    def configure(self, text: str) -> None:
        (self.folder / "pubsub.toml").write_text(text)

    def write(self, text: str) -> None:
        (self.module / "__init__.py").write_text(text)

    def add_column(self, name: str) -> None:
        self.write(
            (self.module / "__init__.py")
            .read_text()
            .replace(
                "    name = Column(Unicode, nullable=False)\n",
                f"    name = Column(Unicode, nullable=False)\n    {name} = Column(Unicode)\n",
            )
        )

    def call(self, *args: str, code: int = 0) -> str:
        """Run a command, and return what it prints."""
        command = [sys.executable, "-m", "microcosm_pubsub.cli", *args]
        environment = {
            **os.environ,
            "PUBSUB_BROKER_URL": f"sqlite:///{self.folder}/broker.db",
            "SOME_QUEUE__SQS_CONSUMER__WAIT_SECONDS": "0",
            "SOME_QUEUE__SQS_CONSUMER__MESSAGE_RETRY_VISIBILITY_TIMEOUT_SECONDS": "0",
            "COLUMNS": "200",
        }
        finished = run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert finished.returncode == code, finished.stdout + finished.stderr
        return finished.stdout + finished.stderr

    def send(self, *bodies: str) -> None:
        url = f"sqlite:///{self.folder}/broker.db"
        graph = create_object_graph("sender", loader=load_from_dict(pubsub_broker={"url": url}))
        graph.pubsub_broker.provision_queue("some-queue")
        for body in bodies:
            graph.sqs_client.send_message(QueueUrl="some-queue", MessageBody=body)

    def query(self, statement: str) -> list[tuple]:
        engine = create_engine(self.url)
        with engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(text(statement))]
        engine.dispose()
        return rows

    def columns(self) -> list[str]:
        engine = create_engine(self.url)
        found = [column["name"] for column in inspect(engine).get_columns("my_event")]
        engine.dispose()
        return found

    def head(self) -> str:
        return self.call("migration-heads").split()[1].rstrip(",")


@pytest.fixture(params=["sqlite", "postgres"])
def project(request, tmp_path):
    folder = tmp_path / "a project, 100 % new"
    folder.mkdir()
    if request.param == "sqlite":
        return Project(folder, f"sqlite:///{tmp_path}/events.db")
    return Project(folder, request.getfixturevalue("postgres").create_database())


@pytest.fixture
def sqlite_project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(folder, f"sqlite:///{tmp_path}/events.db")


def test_the_model_grows_and_records_are_stored(project):
    assert "wrote" in project.call("make-migration", "some-queue")
    project.call("migrate")
    assert "nothing to write" in project.call("make-migration", "some-queue")

    project.send('{"name": "first"}', "no json", '{"name": "second"}')
    said = project.call("run", "some-queue", "--drain")

    assert "Inserting event record: MyEvent(name='first')" in said
    assert "2 SUCCEEDED" in said
    assert "JSONDecodeError" in said
    assert sorted(project.query("SELECT name FROM my_event")) == [("first",), ("second",)]

    project.add_column("note")
    assert "run `pubsub migrate`" not in project.call("make-migration", "some-queue", "-m", "Add a note")
    assert "run `pubsub migrate` first" in project.call("make-migration", "some-queue", code=1)
    project.call("migrate")
    assert project.columns() == ["id", "name", "note"]


def test_two_branches_are_both_applied_and_merged(project):
    project.call("make-migration", "some-queue")
    project.call("migrate")
    root = project.head()
    for column, revision in (("left", "1ef7"), ("right", "4197")):
        script = CONFLICT.replace('"c0nf11c7"', f'"{revision}"').replace("extra", f"extra_{column}")
        path = project.module / "migrations" / f"{revision}.py"
        path.write_text(script.format(parent=root, column=column))

    assert "some-queue: 1ef7, 4197  (run `pubsub merge-migrations some-queue`)" in project.call("migration-heads")
    assert "1ef7, 4197" in project.call("migrate")
    assert {"left", "right"} <= set(project.columns())
    refused = project.call("make-migration", "some-queue", code=1)
    assert "some-queue has 2 heads, 1ef7, 4197" in refused
    assert "`pubsub merge-migrations some-queue`" in refused

    project.call("merge-migrations", "some-queue")
    assert "," not in project.call("migration-heads")
    project.call("migrate")
    project.add_column("left")
    project.add_column("right")
    project.add_column("extra_left")
    project.add_column("extra_right")
    project.add_column("note")
    project.call("make-migration", "some-queue")
    project.call("migrate")
    assert "note" in project.columns()


def test_a_conflict_rolls_back_whole(project):
    project.call("make-migration", "some-queue")
    project.call("migrate")
    root = project.head()
    (project.module / "migrations" / "conflict.py").write_text(CONFLICT.format(parent=root, column="name"))

    assert "name" in project.call("migrate", code=1)

    assert project.columns() == ["id", "name"]
    assert project.query("SELECT version_num FROM alembic_version") == [(root,)]


def test_subcommands(sqlite_project):
    said = sqlite_project.call("some-queue", "-h")

    assert said.startswith("usage: pubsub some-queue [-h] {do-something,do-something-else} ...")
    assert "This will do something else specific to the queue" in said
    assert sqlite_project.call("some-queue", "do-something") == "We're doing something!\n"
    assert (
        sqlite_project.call("-c", "pubsub.toml", "some-queue", "do-something-else") == "We're doing something else!\n"
    )
    assert sqlite_project.call("some-queue", "do-something-else", "--force") == "WE'RE DOING SOMETHING ELSE!!!\n"
    assert "some-queue" in sqlite_project.call("-h")


def test_commands_of_packages(sqlite_project):
    for name, code in (
        (
            "good",
            "def add(commands):\n    commands.add_parser('hello').set_defaults(call=hello)\n\n\n"
            "def hello(args):\n    print('hello')\n",
        ),
        ("bad", "raise RuntimeError('not today')\n"),
    ):
        (sqlite_project.folder / f"{name}_plugin.py").write_text(code)
        info = sqlite_project.folder / f"{name}_plugin-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-plugin\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[pubsub.commands]\n{name} = {name}_plugin:add\n")

    assert sqlite_project.call("hello") == "hello\n"
    assert "The command bad of bad-plugin, bad_plugin:add, is broken: RuntimeError: not today" in (
        sqlite_project.call("bad", code=1)
    )
    assert "broken" in sqlite_project.call("-h")
    assert "some-queue" in sqlite_project.call("some-queue", "-h")


def test_a_queue_with_a_daemon(sqlite_project):
    (sqlite_project.folder / "orders.py").write_text(
        "from microcosm_pubsub import ConsumerDaemon, created, handles\n\n\n"
        "@handles(created('order'))\ndef take(message):\n    return True\n\n\n"
        "class OrdersDaemon(ConsumerDaemon):\n    name = 'orders'\n"
    )
    sqlite_project.configure('[queues.mail]\nhandler = "orders:OrdersDaemon"\nurl = "mail-queue"\nworkers = 3\n')

    said = sqlite_project.call("run", "mail", "--drain")

    assert "mail-queue, workers 3" in said
    assert "is handled by a daemon" in sqlite_project.call("make-migration", "mail", code=1)


@pytest.mark.parametrize(
    ("toml", "args", "texts"),
    [
        ("[queues", ["run", "some-queue"], ["Cannot read pubsub.toml"]),
        (
            '[queues.a]\nhandlr = "x"\nworkers = 0\n[databse]\n',
            ["run", "a"],
            ["queues.a.handlr; did you mean handler?", "queues.a.handler is missing", "whole number from 1",
             "nobody reads databse; did you mean database?"],
        ),
        ('[queues.a]\nhandler = "nowhere.at.all"\n[queues.b]\nhandler = "json"\n', ["migrate"],
         ["Could not import module 'nowhere.at.all'", "Handler 'json' of b is missing a 'process' function"]),
        ('[queues.a]\nhandler = "another.processor"\n', ["run", "a"], ["names no database", "[database]"]),
        ('[queues.a]\nhandler = "another.processor"\n', ["run", "b"], ["names no queue b"]),
        ('[queues.read]\nhandler = "another.processor"\n', ["nothing"], ["give the queue another name"]),
    ],
)  # fmt: skip
def test_files_that_cannot_be(sqlite_project, toml, args, texts):
    sqlite_project.configure(toml)

    said = sqlite_project.call(*args, code=1)

    assert "Traceback" not in said
    for each in texts:
        assert each in said


def test_a_single_file_has_no_migrations(sqlite_project):
    (sqlite_project.folder / "single.py").write_text(MODEL)
    sqlite_project.configure('[queues.a]\nhandler = "single"\n[database]\nurl = "sqlite:///events.db"\n')

    assert "make it a package" in sqlite_project.call("make-migration", "a", code=1)


def test_a_broken_file_breaks_no_other_command(sqlite_project):
    sqlite_project.configure("[queues")

    assert "usage: pubsub read" in sqlite_project.call("read", "-h")
    assert "There is no" not in sqlite_project.call("write", "-h")


def test_a_project_file(sqlite_project):
    (sqlite_project.folder / "pubsub.toml").unlink()
    assert "There is no pubsub.toml here" in sqlite_project.call("migrate", code=1)

    (sqlite_project.folder / "pyproject.toml").write_text(
        f'[tool.pubsub.queues.some-queue]\nhandler = "another.processor"\n'
        f'[tool.pubsub.database]\nurl = "{sqlite_project.url}"\n'
    )
    assert sqlite_project.call("some-queue", "do-something") == "We're doing something!\n"
