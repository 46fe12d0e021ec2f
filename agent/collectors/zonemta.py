"""Collector of ZoneMTA: its own counters and the mail queue.

Sources: /metrics and /counter/zone/ of its HTTP API, and its MongoDB where that is configured; each
works without the other.
"""

import logging

from agent import clock
from agent.collectors.base import Collector
from agent.collectors.local_http import LocalHttp
from agent.collectors.mail_queue import QueueReader
from agent.config import Config
from agent.errors import CollectError, SourceAbsent
from agent.logs import RateLimitedLog
from agent.parsers import zonemta
from agent.samples import MailQueue, ZoneMtaReadings
from agent.status import AgentStatus

logger = logging.getLogger(__name__)


class ZoneMtaCollector(Collector):
    """Collects from the ZoneMTA of this node."""

    name = "zonemta"

    def __init__(self, config: Config, status: AgentStatus) -> None:
        settings = config.discovery
        self._node = config.node_id
        self._status = status
        self._http = LocalHttp(settings.zonemta_api_url, what="ZoneMTA", ca_file=settings.ca_file)
        uri = settings.zonemta_mongodb_uri
        self._queue = (
            QueueReader(uri, node=config.node_id, instance=settings.zonemta_instance.strip("*"))
            if uri
            else None
        )
        self._warnings = RateLimitedLog(logger)

    def collect(self) -> bytes:
        failure: CollectError | None = None
        readings: ZoneMtaReadings | None = None
        try:
            readings = self._readings()
            self._status.reconciler.take(readings, clock.utc_now())
        except CollectError as error:
            failure = error
        queue = self._mail_queue(api=readings is not None)
        if failure is not None:
            # The queue matters most when ZoneMTA hangs or has ended.
            if queue is None:
                raise failure
            if not isinstance(failure, SourceAbsent):
                self._warnings.warn("counters", "Only ZoneMTA's queue can be read: %s", failure)
        return self._encode(zonemta=readings, queue=queue)

    def close(self) -> None:
        self._http.close()
        if self._queue is not None:
            self._queue.close()

    def _readings(self) -> ZoneMtaReadings:
        body = self._http.get("/metrics").decode("utf-8", "replace")
        unreadable: list[str] = []
        try:
            return zonemta.parse_metrics(body, unreadable=unreadable)
        except ValueError as error:
            raise CollectError(f"ZoneMTA's /metrics cannot be read: {error}") from error
        finally:
            self._note_unreadable(unreadable)

    def _mail_queue(self, *, api: bool) -> MailQueue | None:
        if self._queue is not None:
            try:
                return self._queue.read()
            except CollectError as error:
                self._warnings.warn("queue", "Only ZoneMTA's own queue totals are read: %s", error)
        if not api:
            return None
        try:
            zones = zonemta.parse_zones(self._http.get("/counter/zone/"))
        except (CollectError, ValueError, RecursionError) as error:
            self._warnings.warn("api", "ZoneMTA's queue cannot be read: %s", error)
            return None
        return MailQueue(
            source="api",
            zones=zones,
            active_count=sum(zone.active_count for zone in zones),
            deferred_count=sum(zone.deferred_count for zone in zones),
        )
