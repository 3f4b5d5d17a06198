"""
Bodies that nobody has thought of, as fast as they can be made up.

    python -m tests.fuzz [--seconds N]

`atheris` makes them up by what they reach in the code; `tests/unit/test_fuzz.py` does by hypothesis, in the suite.
"""
