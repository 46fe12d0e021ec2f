"""Gathering of what accounts do: what they send, and who fails to log in. One query a minute.

The levels count accounts by the minute, so rounds between share the readings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from datetime import datetime, timedelta
from typing import Any

from server.alerts.snapshot import AccountActivity, LoginFailures
from server.events.mapping import MAX_AHEAD
from server.rollups.levels import OTHER
from server.rollups.plan import DAY, HOUR, floor
from server.timescale.rows import fetch_rows

#: Readings are shared by the rounds of so long.
READ_EVERY = timedelta(seconds=60)
HALF_HOUR, FIVE_MINUTES = timedelta(minutes=30), timedelta(minutes=5)
#: The usual hour is the mean of the same hour of so many days.
USUAL_DAYS = 7
#: Accounts that sent less, or had fewer outcomes, are not looked at.
MIN_EVENTS = 50
#: Accounts that are looked at, those furthest above their usual hour first, and of so many of each
#: one's newest messages the destinations and clients.
MAX_ACCOUNTS, MAX_MESSAGES = 20, 5_000
#: Logins that are looked at, the newest of the last hour, and accounts and addresses that fail.
MAX_LOGINS, MAX_FAILING = 50_000, 200
#: Fewer failures of an account or an address are nothing to look at.
MIN_FAILURES = 10
#: One statement, as a round has few: senders, logins after failures, and addresses that fail. Their
#: columns after the name: sent, usual, bounced, outcomes, domains, clients; or failures, accounts.
ACTIVITIES = f"""WITH sums AS (
  SELECT value,
    coalesce(sum(events) FILTER (WHERE event_type = 'sent'), 0)::bigint AS sent,
    coalesce(sum(events) FILTER (WHERE event_type = 'bounced' AND bucket > %(half)s), 0)::bigint
      AS bounced,
    coalesce(sum(events) FILTER (WHERE event_type <> 'sent' AND bucket > %(half)s), 0)::bigint
      AS outcomes
  FROM email_stats_1m
  WHERE dimension = 'account' AND direction = 'outbound' AND value NOT IN ('', '{OTHER}')
    AND event_type IN ('sent', 'delivered', 'bounced', 'deferred')
    AND bucket > %(since)s AND bucket < %(until)s
  GROUP BY 1
), compared AS (
  SELECT *, (
    SELECT coalesce(sum(events), 0)::float / {USUAL_DAYS} FROM email_stats_1h AS h
    WHERE dimension = 'account' AND direction = 'outbound' AND event_type = 'sent'
      AND h.value = sums.value AND bucket = ANY(%(hours)s::timestamptz[])
  ) AS usual
  FROM sums WHERE sent >= {MIN_EVENTS} OR outcomes >= {MIN_EVENTS}
), senders AS (
  SELECT * FROM compared
  ORDER BY greatest(sent / (usual + 1), 10.0 * bounced / greatest(outcomes, 1)) DESC, value
  LIMIT {MAX_ACCOUNTS}
), newest AS (
  SELECT account, host(client_ip) AS client, event_type = 'login_failed' AS failed, occurred_at
  FROM email_events
  WHERE event_type IN ('login', 'login_failed')
    AND occurred_at > %(since)s::timestamptz AND occurred_at < %(until)s::timestamptz
  ORDER BY occurred_at DESC LIMIT {MAX_LOGINS}
), ids AS (
  SELECT name, min(account) AS id FROM account_names
  WHERE name IN (SELECT account FROM newest UNION SELECT value FROM senders) GROUP BY 1
), logins AS (
  SELECT coalesce(id, account) AS account, client, failed, occurred_at,
    max(occurred_at) FILTER (WHERE NOT failed) OVER (PARTITION BY coalesce(id, account)) AS
      succeeded_at
  FROM newest LEFT JOIN ids ON name = account
)
SELECT 'sender', coalesce(id, value), sent, usual, bounced, outcomes, domains, clients
FROM senders LEFT JOIN ids ON name = value CROSS JOIN LATERAL (
  SELECT count(DISTINCT to_domain) AS domains, count(DISTINCT client_ip) AS clients FROM (
    SELECT to_domain, client_ip FROM email_events
    WHERE account = senders.value AND direction = 'outbound' AND event_type = 'sent'
      AND occurred_at > %(since)s::timestamptz AND occurred_at < %(until)s::timestamptz
    ORDER BY occurred_at DESC LIMIT {MAX_MESSAGES}
  ) AS messages
) AS spread
UNION ALL
(SELECT 'account', account, count(*), 0, 0, 0, 0, 0 FROM logins
  WHERE failed AND account <> '' AND occurred_at < succeeded_at
  GROUP BY account HAVING count(*) >= {MIN_FAILURES} ORDER BY 3 DESC, 2 LIMIT {MAX_FAILING})
UNION ALL
(SELECT 'client', client, count(*) FILTER (WHERE occurred_at > %(five)s::timestamptz),
    count(DISTINCT account), 0, 0, 0, 0
  FROM logins WHERE failed AND client <> ''
  GROUP BY client HAVING count(*) >= {MIN_FAILURES} ORDER BY 3 DESC, 2 LIMIT {MAX_FAILING})"""  # noqa: S608 (names of the declaration)
Readings = tuple[Sequence[AccountActivity], Sequence[LoginFailures]]

_newest: dict[str, Any] = {}


def watch_accounts(now: datetime) -> Readings:
    """Return what `read_accounts` does, at most READ_EVERY old. Raises django.db.Error."""
    at = _newest.get("at")
    if at is None or not timedelta() <= now - at < READ_EVERY:
        _newest.update(at=now, readings=read_accounts(now))
    readings: Readings = _newest["readings"]
    return readings


def read_accounts(now: datetime) -> Readings:
    """Return the accounts that send most above their usual, those that logged in after failures,
    and the addresses that fail to. Runs one query. Raises django.db.Error."""
    hour = floor(now - HALF_HOUR, HOUR)
    values: dict[str, Any] = {
        "since": now - HOUR, "half": now - HALF_HOUR, "five": now - FIVE_MINUTES,
        "until": now + MAX_AHEAD, "hours": [hour - day * DAY for day in range(1, USUAL_DAYS + 1)],
    }  # fmt: skip
    rows = fetch_rows(ACTIVITIES, values)
    activities: dict[str, AccountActivity] = {}
    for kind, account, *counts in rows:
        if kind == "sender":
            before = astuple(activities.get(account) or AccountActivity(account))[1:]
            sums = [x + y for x, y in zip(before, counts, strict=False)]
            activities[account] = AccountActivity(account, *sums)
    add_failures(activities, {name: int(count) for kind, name, count, *_ in rows
                              if kind == "account"})  # fmt: skip
    return list(activities.values()), [
        LoginFailures(name, int(count), int(accounts))
        for kind, name, count, accounts, *_ in rows
        if kind == "client"
    ]


def add_failures(activities: dict[str, AccountActivity], failures: Mapping[str, int]) -> None:
    """Add the failures before a login to the accounts, those too that send nothing unusual."""
    for account, count in failures.items():
        activity = activities.get(account) or AccountActivity(account)
        activities[account] = replace(activity, failures=count)
