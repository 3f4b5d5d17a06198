"""
Handler modules: a queue, and a module with a function that is called for the raw body of each of its messages.

    # pubsub.toml
    [queues.some-queue]
    handler = "package.processor"

    [database]
    url = "sqlite:///events.db"

- `config`: the file that names them.
- `handler`: the modules, checked before anything runs.
- `daemon`: what runs one.
- `commands`: what they add to the command line.
- `history`: the migrations of their models.
"""

from microcosm_pubsub.modules.config import Config, Queue, find_config, load_config


__all__ = ["Config", "Queue", "find_config", "load_config"]
