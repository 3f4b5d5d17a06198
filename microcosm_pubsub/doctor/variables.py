"""
Variables of the environment that are nearly those that somebody reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from microcosm_pubsub.daemon.origin import make_variable
from microcosm_pubsub.doctor.finding import Finding, warning


#: The variables that we, and boto3, read beside those of daemons.
#: https://docs.aws.amazon.com/boto3/latest/guide/configuration.html#using-environment-variables
WELL_KNOWN = (
    *("PUBSUB_BROKER_URL", "PUBSUB_DATABASE_URL", "PUBSUB_ORGANIZATION", "PUBSUB_PLAIN"),
    *("PUBSUB_ACCESS_KEY", "PUBSUB_SECRET_KEY"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_PROFILE"),
    *("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"),
)

#: With which names begin that boto3 reads too, of each service another one.
#: https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
OF_SERVICES = "AWS_ENDPOINT_URL_"

#: A variable that resembles one of those by this much is taken for a misspelling of it.
LIKENESS = 0.9

#: The name of another daemon on this machine resembles this one's by less than this.
NAME_LIKENESS = 0.8


def check_variables(name: str, known: Mapping[str, Iterable[str]], environment: Mapping[str, str]) -> Iterator[Finding]:
    """
    Iterate over the variables that a daemon would read, but for a letter or an underscore.

    Faults behind the right name of the daemon are told by `config.unknown`.

    :param name: of the daemon
    :param known: our sections of configuration, and the keys of each
    :param environment: as `os.environ`
    """
    prefix = make_variable(name, ())
    by_letters = {
        squeeze(variable): variable
        for section, keys in known.items()
        for variable in (make_variable(name, (section, key)) for key in keys)
    }
    for variable in sorted(environment):
        nearest = find_nearest(variable, prefix, known, by_letters)
        if nearest is not None:
            yield warning("environment", f"{name} does not read the variable {variable}", f"did you mean {nearest}?")


def find_nearest(
    variable: str, prefix: str, known: Mapping[str, Iterable[str]], by_letters: Mapping[str, str]
) -> str | None:
    """Return the variable that was probably meant; None if this one is read, or is nothing of ours."""
    first, *rest = variable.split("__")
    if first == prefix and rest and rest[0].lower() in known:
        return None
    if (meant := by_letters.get(squeeze(variable))) is not None:
        return None if meant == variable else meant
    if variable in WELL_KNOWN or variable.startswith(OF_SERVICES):
        return None
    if rest and rest[0].lower() in known and get_close_matches(first.upper(), [prefix], 1, NAME_LIKENESS):
        return "__".join([prefix, *rest])
    found = get_close_matches(variable.upper(), WELL_KNOWN, 1, LIKENESS)
    return found[0] if found else None


def squeeze(variable: str) -> str:
    """Return a name without its underscores, in capital letters."""
    return re.sub("_", "", variable).upper()
