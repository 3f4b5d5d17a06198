"""
Handler modules: the file that names them, what they add to the command line, their daemon, and their migrations.
"""

import ast
import sys
import warnings
from itertools import count
from json import loads

import pytest
from sqlalchemy import create_engine, inspect, text

from microcosm_pubsub.broker.broker import Broker
from microcosm_pubsub.broker.topic_client import BrokerTopicClient
from microcosm_pubsub.cli import main as cli
from microcosm_pubsub.errors import ConfigurationError
from microcosm_pubsub.harness import harness
from microcosm_pubsub.modules import find_config, load_config
from microcosm_pubsub.modules.daemon import make_daemon, make_queue_daemon
from microcosm_pubsub.modules.handler import load_module, load_modules


# the models of all modules of a process share one MetaData, and so each has names of its own
NUMBERS = count(1)

MODULE = """
from sqlalchemy import Column, Integer, Unicode

from microcosm_pubsub.sql import Base


class Event(Base):
    __tablename__ = "{name}_event"
    id = Column(Integer, primary_key=True)
    name = Column(Unicode, nullable=False)


def process(dbsession, record):
    dbsession.add(Event(name=record.decode()))


def register_commands(subs):
    subs.add_parser("greet").set_defaults(subcommand=lambda config, args: print(f"hello from {{config.path}}"))
    subs.add_parser("idle")
"""

REVISION = """
revision = "{revision}"
down_revision = "{parent}"
branch_labels = None
depends_on = None


def upgrade():
    pass


def downgrade():
    pass
"""


class Project:
    """A folder with a handler module and the file that names it."""

    def __init__(self, folder):
        self.folder = folder
        self.module = f"handler_{next(NUMBERS)}"
        self.url = f"sqlite:///{folder}/events.db"
        (folder / self.module).mkdir()
        (folder / self.module / "__init__.py").write_text(MODULE.format(name=self.module))
        self.write(f'[queues.some-queue]\nhandler = "{self.module}"\n[database]\nurl = "{self.url}"\n')

    def write(self, toml, name="pubsub.toml"):
        (self.folder / name).write_text(toml)

    def execute(self, statement):
        engine = create_engine(self.url)
        with engine.begin() as connection:
            result = connection.execute(text(statement))
            rows = [tuple(row) for row in result] if result.returns_rows else []
        engine.dispose()
        return rows

    def find_tables(self):
        engine = create_engine(self.url)
        tables = inspect(engine).get_table_names()
        engine.dispose()
        return tables


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    return Project(tmp_path)


@pytest.fixture
def call(capsys):
    """Run a command in this process, and return what it prints and says at its end."""

    def call_main(*argv):
        with pytest.raises(SystemExit) as raised:
            cli.main(argv)
        printed = capsys.readouterr()
        return printed.out + printed.err + str(raised.value.code or "")

    return call_main


class TestFile:
    @pytest.mark.parametrize(
        ("toml", "texts"),
        [
            ("[queues", ["Cannot read"]),
            ("queues = 3\n", ["queues must be a table of queues"]),
            ("database = 3\n", ["database must be a table"]),
            ("[queues]\na = 3\n", ["queues.a must be a table"]),
            ("[queues.a]\n", ["queues.a.handler is missing"]),
            ('[queues.a]\nhandler = ""\n', ["queues.a.handler is '', but must be a text"]),
            ('[queues.a]\nhandler = "x"\nworkers = true\n', ["workers is True, but must be a whole number from 1"]),
            ('[queues.a]\nhandlr = "x"\n[databse]\n', ["did you mean handler?", "did you mean database?"]),
            ("[elsewhere]\n", ["nobody reads elsewhere; there are queues, database"]),
        ],
    )
    def test_what_is_wrong_is_said(self, project, toml, texts):
        project.write(toml)

        with pytest.raises(ConfigurationError) as raised:
            load_config(project.folder / "pubsub.toml")

        for each in texts:
            assert each in str(raised.value)

    def test_where_it_is_looked_for(self, project):
        assert find_config().queues["some-queue"].handler == project.module
        (project.folder / "pubsub.toml").rename("other.toml")
        assert find_config("other.toml").queues["some-queue"].handler == project.module
        assert find_config() is None

        project.write("[tool.other]\n", "pyproject.toml")
        assert find_config() is None
        project.write('[tool.pubsub.queues.a]\nhandler = "b:C"\nworkers = 2\n', "pyproject.toml")
        queue = find_config().get_queue("a")
        assert (queue.is_daemon, queue.workers) == (True, 2)

    def test_a_queue_that_is_not_there(self, project):
        with pytest.raises(ConfigurationError, match=r"names no queue some-queu; did you mean some-queue\?"):
            find_config().get_queue("some-queu")
        with pytest.raises(ConfigurationError, match="names no queue other; it names some-queue"):
            find_config().get_queue("other")

    def test_a_database(self, project):
        find_config().open_database().close()
        project.write("[queues]\n")
        with pytest.raises(ConfigurationError, match="names no database"):
            find_config().open_database()


class TestHandler:
    def test_all_that_are_wrong_are_named(self, project):
        project.write('[queues.a]\nhandler = "nowhere"\n[queues.b]\nhandler = "json"\n[queues.c]\nhandler = "x:Y"\n')
        with pytest.raises(ConfigurationError) as raised:
            load_modules(find_config())
        assert "Could not import module 'nowhere', the handler of a: ModuleNotFoundError" in str(raised.value)
        assert "Handler 'json' of b is missing a 'process' function" in str(raised.value)
        assert "x" not in load_modules(find_config(), ["c"])

    @pytest.mark.parametrize(
        "code",
        [
            "async def process(dbsession, record):\n    pass\n",
            "def process(dbsession, record):\n    yield\n",
            "async def process(dbsession, record):\n    yield\n",
            "class Process:\n    async def __call__(self, dbsession, record):\n        pass\n\nprocess = Process()\n",
        ],
    )
    def test_a_function_that_a_call_does_not_run_is_refused(self, project, code):
        path = project.folder / project.module / "__init__.py"
        path.write_text(code)
        with pytest.raises(ConfigurationError, match="is a coroutine or a generator, whose call runs nothing of it"):
            load_modules(find_config())

    def test_the_current_directory_is_looked_in(self, project, monkeypatch):
        monkeypatch.setattr(sys, "path", [each for each in sys.path if each != ""])
        assert load_module(find_config().get_queue("some-queue")).__name__ == project.module


class TestOtherCommands:
    def test_they_know_the_queue_by_its_name(self, project, call):
        assert "RecordEnvelope" in call("config", "--changed", "some-queue")
        findings = call("doctor", "some-queue", "--broker-url", f"sqlite:///{project.folder}/pubsub.db")
        assert "errors: 0" in findings
        assert "names no queue other" in call("doctor", "other")

    def test_its_records_come_from_no_topic(self, project, call, monkeypatch):
        monkeypatch.setenv("SOME_QUEUE__SQS_CONSUMER__WAIT_SECONDS", "0")
        topology = loads(call("topology", "some-queue", "--format", "json"))
        assert (topology["queue"]["name"], topology["topics"]) == ("some-queue", [])

        url = f"sqlite:///{project.folder}/pubsub.db"
        call("run", "some-queue", "--broker-url", url, "--drain")
        broker = Broker(url)
        assert BrokerTopicClient(broker).list_topics()["Topics"] == []
        broker.close()


class TestDaemon:
    def test_records_are_stored(self, project, call):
        call("make-migration", "some-queue")
        call("migrate")
        config = find_config()
        daemon_cls = make_daemon(config, config.get_queue("some-queue"), load_modules(config)["some-queue"])

        with harness(daemon_cls) as daemon:
            daemon.send("first")
            daemon.send('{"second": 2}')
            daemon.run()
            daemon.graph.pubsub_database.close()

        assert project.execute(f"SELECT name FROM {project.module}_event ORDER BY id") == [
            ("first",),
            ('{"second": 2}',),
        ]

    def test_a_record_of_which_nothing_was_run_stays(self, project):
        path = project.folder / project.module / "__init__.py"
        path.write_text("async def work():\n    pass\n\ndef process(dbsession, record):\n    return work()\n")
        config = find_config()
        daemon_cls = make_daemon(config, config.get_queue("some-queue"), load_modules(config)["some-queue"])

        with harness(daemon_cls) as daemon:
            daemon.send("first")
            (result,) = daemon.run()
            assert "returned a coroutine, which nobody waits for" in str(result.exc_info[1])
            assert len(daemon.queue) == 1
            daemon.graph.pubsub_database.close()

    def test_without_a_database(self, project):
        project.write(f'[queues.some-queue]\nhandler = "{project.module}"\n')
        config = find_config()
        with pytest.raises(ConfigurationError, match="names no database, which handler"):
            make_daemon(config, config.get_queue("some-queue"), load_modules(config)["some-queue"])

    def test_a_daemon_as_the_file_wants_it(self):
        from microcosm_pubsub import ConsumerDaemon

        class Daemon(ConsumerDaemon):
            name = "some"
            defaults = {"sqs_consumer": {"limit": 3}}

        made = make_queue_daemon(Daemon, 7, {"sqs_consumer": {"sqs_queue_url": "queue"}})
        assert made.workers == 7
        assert made().defaults == {"sqs_consumer": {"limit": 3, "sqs_queue_url": "queue"}}
        assert made.__qualname__ == Daemon.__qualname__


class TestCommands:
    def test_those_of_a_module(self, project, call):
        assert "hello from pubsub.toml" in call("some-queue", "greet")
        assert "The subcommand idle does nothing" in call("some-queue", "idle")

    def test_a_broken_module_says_so(self, project, call):
        project.write('[queues.a]\nhandler = "nowhere"\n[queues.b]\nhandler = "x:Daemon"\n')
        assert "Could not import module 'nowhere'" in call("a", "do")
        assert "invalid choice: 'b'" in call("b")

    def test_a_name_that_is_taken(self, project, call):
        project.write(f'[queues.read]\nhandler = "{project.module}"\n')
        assert "give the queue another name" in call("other")

    def test_those_of_packages(self, project, call):
        for name, code in (
            ("good", "def add(commands):\n    commands.add_parser('hi').set_defaults(call=lambda args: print('hi'))\n"),
            ("bad", "raise RuntimeError('not today')\n"),
        ):
            plugin = f"{project.module}_{name}"
            (project.folder / f"{plugin}.py").write_text(code)
            info = project.folder / f"{plugin}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {plugin}\nVersion: 1.0\n")
            (info / "entry_points.txt").write_text(f"[pubsub.commands]\n{name} = {plugin}:add\n")

        assert "hi\n" in call("hi")
        assert "is broken: RuntimeError: not today" in call("bad")


class TestHistory:
    def test_from_nothing_to_the_models(self, project, call):
        assert "wrote" in call("make-migration", "some-queue")
        assert "before at none" in call("migrate")
        assert f"{project.module}_event" in project.find_tables()
        assert "nothing to write" in call("make-migration", "some-queue")
        assert "as before" in call("migrate")

    @pytest.mark.parametrize("message", ['Say """', 'Say "note"', "Follow C:\\new\\", "Two\nlines"])
    def test_its_message_is_any_text(self, project, call, message):
        assert "wrote" in call("make-migration", "some-queue", "-m", message)
        assert "before at none" in call("migrate")
        (path,) = (project.folder / project.module / "migrations").glob("*.py")
        assert path.read_text().startswith('"""\n')
        with warnings.catch_warnings(action="error"):
            assert (ast.get_docstring(ast.parse(path.read_text())) or "").startswith(message)

    def test_a_statement_that_the_database_does_not_take_is_named(self, project, call):
        call("make-migration", "some-queue")
        project.execute(f"CREATE TABLE {project.module}_event (id INTEGER)")
        said = call("migrate")
        assert f"Migrations: the database does not take `CREATE TABLE {project.module}_event ( id INTEGER" in said
        assert f"table {project.module}_event already exists; correct the script with it; none was run" in said

    def test_a_script_that_is_missing_is_named(self, project, call):
        call("make-migration", "some-queue")
        path = project.folder / project.module / "migrations" / "4197.py"
        path.write_text(REVISION.format(revision="4197", parent="1ef7"))
        for words in (["migrate"], ["migration-heads"], ["make-migration", "some-queue"]):
            with pytest.warns(UserWarning, match="Revision 1ef7 .* is not present"):
                assert "Migrations: a script comes after the revision '1ef7'" in call(*words)

    def test_a_script_that_is_no_python_is_named(self, project, call):
        call("make-migration", "some-queue")
        path = project.folder / project.module / "migrations" / "broken.py"
        path.write_text("revision = (")
        for words in (["migrate"], ["migration-heads"], ["make-migration", "some-queue"]):
            assert f"Migrations: {path}, line 1, is no Python: " in call(*words)

    def test_two_heads_are_merged(self, project, call):
        call("make-migration", "some-queue")
        call("migrate")
        root = call("migration-heads").split()[1]
        for revision in ("1ef7", "4197"):
            path = project.folder / project.module / "migrations" / f"{revision}.py"
            path.write_text(REVISION.format(revision=revision, parent=root))

        assert "run `pubsub merge-migrations some-queue`" in call("migration-heads")
        assert "some-queue has 2 heads, 1ef7, 4197" in call("make-migration", "some-queue")
        assert "wrote" in call("merge-migrations", "some-queue")
        assert "run `pubsub migrate` first" in call("make-migration", "some-queue")
        assert "there is nothing to merge" in call("merge-migrations", "some-queue")
        call("migrate")
        assert "nothing to write" in call("make-migration", "some-queue")

    def test_what_has_none(self, project, call):
        (project.folder / "single.py").write_text("def process(dbsession, record):\n    pass\n")
        project.write('[queues.a]\nhandler = "single"\n[queues.b]\nhandler = "x:Y"\n[database]\nurl = "sqlite://"\n')
        assert "make it a package" in call("make-migration", "a")
        assert "b is handled by a daemon, x:Y, and by no module" in call("make-migration", "b")
        (project.folder / "pubsub.toml").unlink()
        assert "There is no pubsub.toml here" in call("migrate")
