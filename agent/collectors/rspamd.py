"""Collector of Rspamd, by its controller's /stat: scanned messages and their actions."""

from agent.collectors.base import Collector
from agent.collectors.local_http import OK, LocalHttp
from agent.config import Config
from agent.errors import CollectError, SourceAbsent
from agent.parsers import rspamd

PASSWORD_STATUSES = (401, 403)


class RspamdCollector(Collector):
    """Collects from one Rspamd."""

    name = "rspamd"

    def __init__(self, config: Config) -> None:
        settings = config.discovery
        self._node = config.node_id
        # Always sent: except for the loopback address, Rspamd requires it.
        password = settings.rspamd_password.reveal()
        headers = {"Password": password} if password else {}
        self._http = LocalHttp(
            settings.rspamd_url, what="Rspamd", headers=headers, ca_file=settings.ca_file
        )

    def collect(self) -> bytes:
        if not self._http.url:
            raise SourceAbsent("it is disabled: rspamd_url of [discovery] is empty")
        answer = self._http.request("/stat")
        if answer.status in PASSWORD_STATUSES:
            raise CollectError(
                f"Rspamd at {self._http.url} requires a password. Set rspamd_password of"
                " [discovery] to that of worker-controller.inc."
            )
        if answer.status != OK:
            raise CollectError(
                f"{self._http.url}/stat answered {answer.status}: is it Rspamd's controller? Only"
                " that has statistics, by default at port 11334."
            )
        try:
            readings = rspamd.parse_stat(answer.body)
        except (ValueError, RecursionError) as error:
            raise CollectError(f"Rspamd's /stat cannot be read: {error}") from error
        return self._encode(rspamd=readings)

    def close(self) -> None:
        self._http.close()
