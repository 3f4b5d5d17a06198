"""
Tasks with a memory: the ledger has a row for each, beside the user's data.

    send -> row and message, in one transaction -> begin -> the function, its cursor and its end, in one transaction

The row is the truth, and the message what makes a worker act: one that comes for a task which has run, or was
cancelled, is done with; one that does not come is published again.

- `states`, `errors`: what a task can be, and what is raised of one that failed.
- `rows`: rows of the ledger, and what is kept of errors and results.
- `terms`: what stands in a row when something has become of its task.
- `turns`: cursors: whose turn it is at a key, and what tasks of a key hand on.
- `store`: what the database does with rows.
- `books`: these together.
- `task_writer`: how tasks are written into the ledger, and published.
- `handle`: a task that was sent, as its sender sees it.
- `runs`, `layers`: tasks that run here: begun, told, and ended.
- `firing`: tasks that are sent again and again.
- `sweeper`: what is due, lost, or old.
- `ledger`: the component `pubsub_ledger`.
- `service`, `factory`: its service, and the components.
"""
