"""Every setting: name, unit, range, default. `load` fills it; nothing here reads anything."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

TOKEN_CHARS = 16
MIB = 1024**2
GIB = 1024**3


class Secret:
    """Text that never shows itself: not in a log line, not in a traceback, not in repr."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text, for the one place that sends it."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(set)" if self._text else "Secret(empty)"


Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Bytes = Annotated[int, Meta(ge=MIB, le=1024 * GIB)]


Url = Annotated[str, Meta(pattern=r"^(https?://[^/?#@\s]+/?)?$", max_length=300)]


class Discovery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[discovery]: what to watch on this node."""

    # With the database in its path: mongodb://127.0.0.1:27017/zone-mta?replicaSet=rs0.
    # Empty: no change stream. Secret, because it may carry a password.
    zonemta_mongodb_uri: Secret = Secret("")
    # ZoneMTA's HTTP API, without a key: it belongs on the loopback address.
    zonemta_api_url: Annotated[str, Meta(pattern=r"^https?://[^/?#]+/?$")] = (
        "http://127.0.0.1:12080"
    )
    # ZoneMTA's queue.instanceId on this node, where several share one database: the change stream
    # then tells of this instance's mail alone. "*": of all of them.
    zonemta_instance: Annotated[str, Meta(max_length=64)] = ""
    # Whether the agent switches pre-images on for ZoneMTA's two collections where its user may.
    zonemta_pre_images: bool = True
    # Redis: redis://user:password@host:6379, rediss:// with TLS, unix:///run/redis/redis.sock.
    # Here and below, empty means that it is not collected.
    redis_url: Secret = Secret("redis://127.0.0.1:6379")
    # The MongoDB of this node, one host: it is asked directly, whatever set it belongs to. "auto":
    # that of zonemta_mongodb_uri where it is on this node, else 127.0.0.1:27017 without a user.
    mongodb_uri: Secret = Secret("auto")
    rspamd_url: Url = "http://127.0.0.1:11334"
    # Rspamd asks for none from the loopback address unless told to.
    rspamd_password: Secret = Secret("")
    wildduck_api_url: Url = "http://127.0.0.1:8080"
    # [api] accessToken of WildDuck's configuration.
    wildduck_token: Secret = Secret("")
    # WildDuck's own metrics, since 1.49.6, where [metrics] enabled = true.
    wildduck_metrics_url: Url = "http://127.0.0.1:8081"
    # With the database in its path; without it users are counted by paging through the API.
    wildduck_mongodb_uri: Secret = Secret("")
    # Ports to look at beside those of the node's role, with commas between: "465, 8080".
    ports: Annotated[str, Meta(max_length=500, pattern=r"^[0-9, ]*$")] = ""


class Intervals(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[intervals]: how often."""

    system_s: Annotated[float, Meta(ge=1, le=3600)] = 15.0
    zonemta_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    redis_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    mongodb_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    rspamd_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    haraka_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    wildduck_s: Annotated[float, Meta(ge=10, le=86_400)] = 300.0
    # The agent's own health.
    agent_s: Annotated[float, Meta(ge=1, le=3600)] = 60.0
    # How often the node's addresses are looked at; it registers again when they changed.
    registration_s: Annotated[float, Meta(ge=1, le=86_400)] = 60.0
    # How often it is looked which programs run here and in which version.
    discovery_s: Annotated[float, Meta(ge=10, le=86_400)] = 300.0


class Backend(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[backend]: the server and how to talk to it."""

    url: str = ""
    api_key: Secret = Secret("")
    connect_timeout_s: Seconds = 5.0
    read_timeout_s: Seconds = 20.0
    # PEM file of the only authorities that may sign the server's certificate. Empty: the system's.
    ca_file: Annotated[str, Meta(max_length=4096)] = ""
    batch_events: Annotated[int, Meta(ge=1, le=5000)] = 500
    batch_bytes: Annotated[int, Meta(ge=10_000, le=10_000_000)] = 1_000_000
    # How long a woken shipper waits for company before it sends.
    linger_ms: Annotated[int, Meta(ge=0, le=100)] = 50


class Spool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[spool]: how much disk, before the oldest is dropped and counted."""

    # At about 160 bytes an event (docs/performance.md), 20 million while the server is away.
    max_event_bytes: Bytes = 3 * GIB
    # Of each source: the machine, ZoneMTA.
    max_sample_bytes: Bytes = 64 * MIB
    # How long anything waits before it is dropped and counted, by the time the agent ran.
    max_age_s: Annotated[float, Meta(ge=3600, le=365 * 86_400)] = 7 * 86_400.0
    # The spool does not grow while the disk has less than this free: mail goes first.
    min_free_bytes: Annotated[int, Meta(ge=0, le=1024 * GIB)] = 512 * MIB


class Events(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[events]: two sources, one truth."""

    # How long an event of the change stream waits for the plugin's own word of it.
    grace_s: Annotated[float, Meta(ge=0, le=600)] = 10.0
    # How long, and of how many events, it is remembered that they were taken.
    memory_s: Annotated[float, Meta(ge=600, le=30 * 86_400)] = 2 * 86_400.0
    memory_count: Annotated[int, Meta(ge=10_000, le=50_000_000)] = 500_000


class Receiver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[receiver]: the socket the plugins speak to."""

    enabled: bool = True
    # Who may write to the socket: its mode in octal, and its group ("": the agent's own).
    socket_mode: Annotated[str, Meta(pattern=r"^0?[0-7]{3}$")] = "660"
    socket_group: Annotated[str, Meta(max_length=64)] = ""
    # On the loopback address too, for mail programs that cannot see the socket; 0: not.
    tcp_port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    # What they must send as key then; at least TOKEN_CHARS characters.
    tcp_token: Secret = Secret("")
    max_body_bytes: Annotated[int, Meta(ge=1000, le=64 * MIB)] = 1_000_000
    max_connections: Annotated[int, Meta(ge=1, le=1000)] = 32
    # A request must be there, whole, this long after its first byte.
    read_timeout_s: Seconds = 10.0
    # How long a kept-alive connection may say nothing.
    idle_timeout_s: Seconds = 120.0


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it."""

    node_id: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
    node_role: Annotated[str, Meta(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    state_dir: Annotated[str, Meta(min_length=1)] = "/var/lib/mallard-agent"
    runtime_dir: Annotated[str, Meta(min_length=1)] = "/run/mallard-agent"
    discovery: Discovery = Discovery()
    intervals: Intervals = Intervals()
    backend: Backend = Backend()
    spool: Spool = Spool()
    events: Events = Events()
    receiver: Receiver = Receiver()


TABLES: dict[str, type[msgspec.Struct]] = {
    "discovery": Discovery,
    "intervals": Intervals,
    "backend": Backend,
    "spool": Spool,
    "events": Events,
    "receiver": Receiver,
}

# The names the plan gave; every other setting of a table is AGENT_<TABLE>_<KEY>.
NAMED: dict[str, tuple[str, ...]] = {
    "DASHBOARD_URL": ("backend", "url"),
    "API_KEY": ("backend", "api_key"),
    "NODE_ID": ("node_id",),
    "NODE_ROLE": ("node_role",),
    "LOG_LEVEL": ("log_level",),
    "HEARTBEAT_INTERVAL": ("intervals", "system_s"),  # in milliseconds
    "AGENT_STATE_DIR": ("state_dir",),
    "AGENT_RUNTIME_DIR": ("runtime_dir",),
    "AGENT_ZONEMTA_MONGODB_URI": ("discovery", "zonemta_mongodb_uri"),
}
IN_MILLISECONDS = "HEARTBEAT_INTERVAL"


def environment_names() -> dict[str, tuple[str, ...]]:
    """Return every environment variable with the setting it fills."""
    named_settings = set(NAMED.values())
    generated = {
        f"AGENT_{table}_{field.name}".upper(): (table, field.name)
        for table, struct in TABLES.items()
        for field in msgspec.structs.fields(struct)
        if (table, field.name) not in named_settings
    }
    return NAMED | generated
