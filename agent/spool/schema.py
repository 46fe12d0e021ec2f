"""Layout of the spool's file: tables, and names of queues and counters that several modules use."""

FILE_NAME = "spool.db"
VERSION = 1
TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE samples (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE refused (
    n INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL, reason TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE seen (n INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, at_ms INTEGER NOT NULL);
CREATE TABLE held (
    event_id BLOB PRIMARY KEY, due_ms INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    final INTEGER NOT NULL, recipient TEXT NOT NULL, queue_id TEXT NOT NULL,
    message_id TEXT, session_id TEXT, body BLOB NOT NULL);
CREATE INDEX held_due ON held (due_ms);
CREATE TABLE documents (
    id TEXT PRIMARY KEY, generation INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE messages (
    file_id TEXT PRIMARY KEY, queue_id TEXT NOT NULL, generation INTEGER NOT NULL,
    body BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX messages_queue_id ON messages (queue_id);
CREATE TABLE notices (
    n INTEGER PRIMARY KEY, recipient TEXT NOT NULL, message_id TEXT, session_id TEXT,
    seen_ms INTEGER NOT NULL);
CREATE INDEX notices_recipient ON notices (recipient);
"""

# Kinds of sample with a queue of their own beside the machine's.
SOURCES = ("zonemta", "wildduck", "haraka", "rspamd", "redis", "mongodb", "agent")
# Each is also the name of its table.
QUEUES = ("events", "samples", *(f"samples_{source}" for source in SOURCES))

# Tables of later versions. An agent that does not know one ignores it, so that going back to it
# after an upgrade works; anything else that changes the layout needs another VERSION.
LATER_TABLES = """
CREATE TABLE IF NOT EXISTS dropped (first_seq INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS plugin_processes (
    process TEXT PRIMARY KEY, dropped INTEGER NOT NULL, heard_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events_packed (
    first_seq INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    raw_bytes INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS events_postponed (
    seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS ages (
    queue TEXT NOT NULL, ran_s INTEGER NOT NULL, last_seq INTEGER NOT NULL,
    PRIMARY KEY (queue, ran_s)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen_recent (
    n INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, keys BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS clock_steps (
    first_seq INTEGER PRIMARY KEY, boot TEXT NOT NULL, offset_ms INTEGER NOT NULL,
    ahead_ms INTEGER);
CREATE TABLE IF NOT EXISTS unnamed (
    final_key BLOB PRIMARY KEY, due_ms INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
""" + "".join(
    f"CREATE TABLE IF NOT EXISTS {name} (seq INTEGER PRIMARY KEY AUTOINCREMENT,"
    " at_ms INTEGER NOT NULL, body BLOB NOT NULL);\n"
    for name in QUEUES[2:]
)

# Counters.
FAILED_COMMITS = "spool.failed_commits"
SET_ASIDE = "spool.set_aside"
PLUGIN_DROPPED = "plugin.dropped"
# Suffix: samples of a kind that an older server has no endpoint for.
NOT_KNOWN = "not_known"
