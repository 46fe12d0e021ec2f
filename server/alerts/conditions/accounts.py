"""Conditions of accounts that others may use, and of addresses that guess passwords. Pure."""

import re
from collections.abc import Iterator, Sequence

from server.alerts.conditions.condition import Condition, Reading, Subject, Values, alarm, warn
from server.alerts.conditions.parameters import HOUR, Parameter
from server.alerts.snapshot import AccountActivity, LoginFailures, Snapshot
from server.formats import percent, thousands

#: From so many messages in an hour, and so many times its usual hour, an account sends too much.
MIN_SENT, USUAL_FACTOR = 100, 10
#: From so large a share of so many outcomes in half an hour its addresses are guessed or bought.
MIN_OUTCOMES, BOUNCED_RATIO = 50, 0.1
MAX_DOMAINS = 500
#: More addresses than these in an hour are no person's.
MAX_CLIENTS = 5
MIN_FAILURES = 10
_WILDDUCK_ID = re.compile(r"[0-9a-f]{24}")


def score_account(activity: AccountActivity) -> list[tuple[int, str]]:
    """Return the points of each sign of a stolen password, with what it is."""
    sent, domains = thousands(activity.sent), thousands(activity.domains)
    share = percent(activity.bounced, activity.outcomes)
    signs = (
        (
            40,
            activity.sent >= max(MIN_SENT, USUAL_FACTOR * activity.usual),
            f"{sent} sent in an hour, {thousands(round(activity.usual))} as a rule",
        ),
        (
            30,
            activity.outcomes >= MIN_OUTCOMES
            and activity.bounced > BOUNCED_RATIO * activity.outcomes,
            f"{share} bounced in half an hour",
        ),
        (20, activity.domains > MAX_DOMAINS, f"{domains} destination domains in an hour"),
        (20, activity.clients > MAX_CLIENTS, f"{thousands(activity.clients)} client addresses"),
        (
            40,
            activity.failures >= MIN_FAILURES,
            f"a login after {thousands(activity.failures)} failed ones",
        ),
    )
    return [(points, text) for points, is_so, text in signs if is_so]


def describe_suspension(account: str) -> str:
    """Return WildDuck's call that suspends an account: text to copy."""
    user = account if _WILDDUCK_ID.fullmatch(account) else "ID"
    return f'PUT /users/{user} {{"suspended": true}}'


def read_accounts(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield the points of each account that has a sign of a stolen password."""
    if not snapshot.is_known("mail", ""):
        return
    for activity in snapshot.accounts:
        signs = score_account(activity)
        if not signs:
            continue
        score = sum(points for points, _ in signs)
        reasons = ", ".join(f"{points} for {text}" for points, text in signs)
        suspension = describe_suspension(activity.account)
        text = (
            f"{activity.account} may be used by somebody else: {score} points, {reasons}."
            f" WildDuck's API stops it by {suspension}"
        )
        evidence = {
            "score": score,
            "signs": {text: points for points, text in signs},
            "suspend": suspension,
        }
        yield Reading(Subject("account", activity.account), float(score), text, evidence)


def read_clients(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield the failed logins of each address in five minutes."""
    for each in _list_failures(snapshot):
        text = (
            f"{each.client} failed to log in {thousands(each.failures)} times in 5 minutes,"
            f" to {thousands(each.accounts)} accounts in an hour"
        )
        yield _read_client(each, each.failures, text)


def read_sprayed(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield the accounts that each address failed to log in to."""
    for each in _list_failures(snapshot):
        text = f"{each.client} failed to log in to {thousands(each.accounts)} accounts in an hour"
        yield _read_client(each, each.accounts, text)


def _list_failures(snapshot: Snapshot) -> Sequence[LoginFailures]:
    return snapshot.login_failures if snapshot.is_known("mail", "") else ()


def _read_client(each: LoginFailures, value: int, text: str) -> Reading:
    evidence = {"failures": each.failures, "accounts": each.accounts}
    return Reading(Subject("client", each.client), float(value), text, evidence)


COMPROMISED = Condition(
    "account_compromised", "account", "mail",
    "An account sends, or is logged in to, as if its password were stolen: points of all signs.",
    read_accounts, Parameter("threshold", "", 40, "It has more points.", maximum=150), "above",
)  # fmt: skip
GUESSED = Condition(
    "logins_failing", "client", "mail", "An address fails to log in again and again.",
    read_clients, Parameter("threshold", "", 10, "It failed more often in 5 minutes."), "above",
)  # fmt: skip
SPRAYED = Condition(
    "logins_sprayed", "client", "mail", "An address tries passwords on many accounts.",
    read_sprayed, Parameter("threshold", "", 10, "It tried more accounts in an hour."), "above",
)  # fmt: skip
CONDITIONS = (COMPROMISED, GUESSED, SPRAYED)
RULES = (
    alarm("account_compromised", COMPROMISED, threshold=40, keep_firing_for="1 h"),
    warn("logins_failing", GUESSED, threshold=10, keep_firing_for="10 min"),
    warn("logins_sprayed", SPRAYED, threshold=10, keep_firing_for=HOUR),
)
