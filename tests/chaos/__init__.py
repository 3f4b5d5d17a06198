"""
Daemons that are broken on purpose, and a ledger that shows what it cost.

    python -m tests.chaos [--seed N] [--messages N] [--faults N]

Real daemons talk over HTTP to the embedded broker, through a proxy that injects faults by seed: connections that end,
answers that are late or torn, refusals, signals. Others work on PostgreSQL and on a small disk directly, which stop
in between. Handlers, the publisher and the engine write one ledger; at the end it must add up.
"""
