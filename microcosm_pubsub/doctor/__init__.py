"""
The faults of a daemon's set-up, found before it starts: each finding says what to do.

Nothing is changed, received or published. It judges the decisions of a daemon and of those who deployed it: its
configuration, its queue and its topics, its database, and what is installed.

- `finding`: what was found.
- `examination`: all of it, in the order in which one thing needs another.
- `variables`, `configuration`, `packages`: the program, before anything is called.
- `access`: credentials, region, and whether the queue answers; clocks.
- `queues`, `subscriptions`, `encryption`: what messages go through.
- `database`: the tables of handlers' transactions.
"""
