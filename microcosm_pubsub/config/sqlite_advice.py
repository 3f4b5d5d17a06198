"""
What an operator can do about an error of a SQLite file, by what SQLite says.

https://www.sqlite.org/rescode.html has the errors; the texts are those of its function sqlite3_errstr, and its own.
"""

ADVICE = {
    "is locked": "another program has not ended its transaction for {seconds:g} s; see which have it open (`fuser -v "
    "{path}`), and end the one that hangs",
    "is full": "make room on its disk",
    "disk I/O error": "see whether its disk is full, or fails",
    "readonly database": "let this user write the file, those beside it, and their folder",
    "not a database": "name the file of a database, or put back what was there",
    "malformed": "the file is damaged: put back a copy of it (https://www.sqlite.org/recovery.html)",
    "unable to open": "see that its folder is there, and that this user may write in it",
}


def find_sqlite_advice(said: str, path: str, seconds: float) -> str | None:
    """
    Return what can be done about an error; None if nobody knows.

    :param said: by SQLite
    :param path: of the file
    :param seconds: for how long a transaction waits for those of others
    """
    advice = next((advice for text, advice in ADVICE.items() if text in said), None)
    return None if advice is None else advice.format(path=path, seconds=seconds)
