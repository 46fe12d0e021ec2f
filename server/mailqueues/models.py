"""Readings of the mail queues.

A reading is of the whole database that a node's agent reads. What is a list in the payload stays
one, as JSON: it is shown whole, newest reading first, and never searched.
"""

from server.metrics import catalogue
from server.metrics.models import sample_model

MailQueueSnapshot = sample_model(
    "MailQueueSnapshot",
    catalogue.MAIL_QUEUE,
    module=__name__,
    chunk_interval="1 day",
    is_once_per_dimension=False,
    help_texts={
        "source": "mongodb, or api: then only zones and totals are known.",
        "database": "The same on each node that shares it; '': not known.",
        "instance": "Which of the shares is this node's.",
    },
)
