"""
A handler module.
"""


def process(dbsession, record):
    pass
