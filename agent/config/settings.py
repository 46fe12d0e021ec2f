"""Every setting: name, unit, range and default. Read by `load`."""

from ipaddress import IPv4Network
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from agent.roles import RSPAMD_PORT, ZONEMTA_API_PORT, api_ports_of, programs_of

TOKEN_CHARS = 16
MIB = 1024**2
GIB = 1024**3


class Secret:
    """Text that never appears in a log line, a traceback or repr."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text. Only for the code that sends it."""
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
    """[discovery]: the programs of this node."""

    # With the database in its path: mongodb://127.0.0.1:27017/zone-mta?replicaSet=rs0.
    # Empty: no change stream. Secret, because it may carry a password.
    zonemta_mongodb_uri: Secret = Secret("")
    # ZoneMTA's HTTP API, without a key: it belongs on the loopback address.
    zonemta_api_url: Annotated[str, Meta(pattern=r"^https?://[^/?#]+/?$")] = (
        "http://127.0.0.1:12080"
    )
    # ZoneMTA's queue.instanceId on this node, where several share one database: the change stream
    # then reports this instance's mail alone. "*": all mail.
    zonemta_instance: Annotated[str, Meta(max_length=64)] = ""
    # Whether the agent switches pre-images on for ZoneMTA's two collections where its user may.
    zonemta_pre_images: bool = True
    # Redis: redis://user:password@host:6379, rediss:// with TLS, unix:///run/redis/redis.sock.
    # Here and below, empty disables the collector.
    redis_url: Secret = Secret("redis://127.0.0.1:6379")
    # The MongoDB of this node, one host, queried directly in any replica set. "auto":
    # that of zonemta_mongodb_uri where it is on this node, else 127.0.0.1:27017 without a user.
    mongodb_uri: Secret = Secret("auto")
    rspamd_url: Url = "http://127.0.0.1:11334"
    # From the loopback address Rspamd requires none by default.
    rspamd_password: Secret = Secret("")
    wildduck_api_url: Url = "http://127.0.0.1:8080"
    # [api] accessToken of WildDuck's configuration.
    wildduck_token: Secret = Secret("")
    # WildDuck's own metrics, since 1.49.6, where [metrics] enabled = true.
    wildduck_metrics_url: Url = "http://127.0.0.1:8081"
    # With the database in its path; without it users are counted by paging through the API.
    wildduck_mongodb_uri: Secret = Secret("")
    # Whether its deliveries and logins are followed. "auto": where that URI is set, unless the
    # node's role names other programs alone.
    wildduck_stream: Literal["auto", "on", "off"] = "auto"
    # PEM file of the only authorities that may sign the certificates of these programs, reached by
    # https://, rediss:// or tls=true. Empty: the system's.
    ca_file: Annotated[str, Meta(max_length=4096)] = ""
    # Ports to check beside those of the node's role, separated by commas: "465, 8080"; with a minus
    # one that is not checked: "-995".
    ports: Annotated[str, Meta(max_length=500, pattern=r"^[0-9, -]*$")] = ""

    @property
    def api_ports(self) -> dict[int, int | None]:
        """The ports of the APIs on this node, by their defaults."""
        return api_ports_of({ZONEMTA_API_PORT: self.zonemta_api_url, RSPAMD_PORT: self.rspamd_url})


class Intervals(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[intervals]: periods of collectors and checks."""

    system_s: Annotated[float, Meta(ge=1, le=3600)] = 15.0
    zonemta_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    redis_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    mongodb_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    rspamd_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    haraka_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    wildduck_s: Annotated[float, Meta(ge=10, le=86_400)] = 300.0
    # The agent's own health.
    agent_s: Annotated[float, Meta(ge=1, le=3600)] = 60.0
    # Check of the node's addresses; a change causes a new registration.
    registration_s: Annotated[float, Meta(ge=1, le=86_400)] = 60.0
    # Discovery of this node's programs and their versions.
    discovery_s: Annotated[float, Meta(ge=10, le=86_400)] = 300.0


class Backend(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[backend]: the server and the requests to it."""

    url: str = ""
    api_key: Secret = Secret("")
    connect_timeout_s: Seconds = 5.0
    read_timeout_s: Seconds = 20.0
    # PEM file of the only authorities that may sign the server's certificate. Empty: the system's.
    ca_file: Annotated[str, Meta(max_length=4096)] = ""
    batch_events: Annotated[int, Meta(ge=1, le=5000)] = 500
    batch_bytes: Annotated[int, Meta(ge=10_000, le=10_000_000)] = 1_000_000
    # Wait of a woken shipper for more events before it sends.
    linger_ms: Annotated[int, Meta(ge=0, le=100)] = 50


class Spool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[spool]: bounds of disk usage. Beyond them the oldest items are dropped and counted."""

    # At about 160 bytes an event (docs/performance.md), 20 million while the server is away.
    max_event_bytes: Bytes = 3 * GIB
    # Of each source: the machine, ZoneMTA.
    max_sample_bytes: Bytes = 64 * MIB
    # Maximum wait before an item is dropped and counted, in running time of the agent.
    max_age_s: Annotated[float, Meta(ge=3600, le=365 * 86_400)] = 7 * 86_400.0
    # The spool does not grow while the disk has less than this free: mail goes first.
    min_free_bytes: Annotated[int, Meta(ge=0, le=1024 * GIB)] = 512 * MIB


class Events(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[events]: merging of plugin and change stream."""

    # Wait of a change-stream event for the plugin's report of it.
    grace_s: Annotated[float, Meta(ge=0, le=600)] = 10.0
    # Deduplication memory: maximum age and number of events.
    memory_s: Annotated[float, Meta(ge=600, le=30 * 86_400)] = 2 * 86_400.0
    memory_count: Annotated[int, Meta(ge=10_000, le=50_000_000)] = 500_000


class Receiver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[receiver]: the socket that the plugins report to."""

    enabled: bool = True
    # Who may write to the socket: its mode in octal, and its group ("": the agent's own).
    socket_mode: Annotated[str, Meta(pattern=r"^0?[0-7]{3}$")] = "660"
    socket_group: Annotated[str, Meta(max_length=64)] = ""
    # On the loopback address too, for mail programs that cannot see the socket; 0: not.
    tcp_port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    # Key of the plugins over TCP; at least TOKEN_CHARS characters.
    tcp_token: Secret = Secret("")
    max_body_bytes: Annotated[int, Meta(ge=1000, le=64 * MIB)] = 1_000_000
    max_connections: Annotated[int, Meta(ge=1, le=1000)] = 32
    # Deadline of a complete request after its first byte.
    read_timeout_s: Seconds = 10.0
    # Maximum idle time of a kept-alive connection.
    idle_timeout_s: Seconds = 120.0


class Gelf(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[gelf]: the socket that Haraka, WildDuck and ZoneMTA send their records to."""

    # 0: none is received. Graylog's own is 12201.
    port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    address: Annotated[str, Meta(max_length=15)] = "127.0.0.1"
    # Networks that may send, separated by commas: "127.0.0.0/8, 10.0.0.0/24".
    allow: Annotated[str, Meta(max_length=500)] = "127.0.0.0/8"
    # The Graylog that every datagram is sent on to, host:port. Empty: none.
    relay_to: Annotated[str, Meta(max_length=260, pattern=r"^([^\s:]+:\d{1,5})?$")] = ""
    # Of the kernel, which allows no more than net.core.rmem_max.
    receive_buffer_bytes: Annotated[int, Meta(ge=65_536, le=GIB)] = 4 * MIB

    @property
    def networks(self) -> list[IPv4Network]:
        """The networks that may send. Raises ValueError for one that is none."""
        return [IPv4Network(each.strip()) for each in self.allow.split(",") if each.strip()]

    @property
    def relay_target(self) -> tuple[str, int] | None:
        host, _, port = self.relay_to.rpartition(":")
        return (host, int(port)) if host else None


class OutageWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[outage_webhook]: whom this node calls while it cannot reach the server."""

    # A secret too: many services put their key into the address. Empty: nobody is called.
    url: Secret = Secret("")
    # Key of the signature (HMAC-SHA256). Empty: calls are not signed.
    secret: Secret = Secret("")
    # Time without an accepted request before the call.
    after_s: Seconds = 300.0


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration."""

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
    gelf: Gelf = Gelf()
    outage_webhook: OutageWebhook = OutageWebhook()

    @property
    def follows_wildduck(self) -> bool:
        """Whether WildDuck's deliveries and logins are followed in its database."""
        wanted, programs = self.discovery.wildduck_stream, programs_of(self.node_role)
        by_role = wanted == "auto" and (not programs or "wildduck" in programs)
        return bool(self.discovery.wildduck_mongodb_uri) and (wanted == "on" or by_role)


Key = tuple[str, ...]  # ("node_id",), or table and name

TABLES: dict[str, type[msgspec.Struct]] = {
    field.name: field.type
    for field in msgspec.structs.fields(Config)
    if isinstance(field.default, msgspec.Struct)
}
TYPES: dict[Key, Any] = {
    (field.name,): field.type
    for field in msgspec.structs.fields(Config)
    if field.name not in TABLES
} | {
    (table, field.name): field.type
    for table, struct in TABLES.items()
    for field in msgspec.structs.fields(struct)
}

# Short names; every other setting of a table is AGENT_<TABLE>_<KEY>.
NAMED: dict[str, Key] = {
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


def environment_names() -> dict[str, Key]:
    """Return every environment variable with the setting it fills."""
    named = set(NAMED.values())
    return NAMED | {f"AGENT_{'_'.join(key)}".upper(): key for key in TYPES if key not in named}
