"""The daemon whose messages are followed through the package, for its picture."""

from dataclasses import dataclass

from microcosm_pubsub import ConsumerDaemon, handles, schema


@schema(media_type="application/vnd.example.pubsub.greeting")
@dataclass
class Greeting:
    """What the message says."""

    name: str


@handles(Greeting)
def greet(greeting: Greeting) -> None:
    """Do nothing: it is the way that counts."""


class GreetingDaemon(ConsumerDaemon):
    """Handles it."""

    name = "greeting"
