"""
Short ways that stand in for plain code, and one switch that turns all of them off.

| module | stands in for |
|---|---|
| `loader` | `Schema.load`, for schemas and content that are plain |
| `dumper` | `Schema.dump`, likewise |
| `quick` | the reading of a value by a field, if it is of the type that is expected |
| `log_records` | `logging.LogRecord` and microcosm-logging's console formatter |
| `context_value` | a context manager that sets a context variable |
| `transport` | boto3's own way to make the calls that are made for every few messages |

None of them changes what happens, only what it costs; what they do not know they leave to the plain code. With
`PUBSUB_PLAIN=1` in the environment of a process, it runs the plain code alone: to read it, to debug it, and to see
whether a fault is in here.
"""

import os


#: Whether this process runs the plain code alone.
PLAIN = os.environ.get("PUBSUB_PLAIN", "").strip().lower() not in ("", "0", "false", "no", "off")
