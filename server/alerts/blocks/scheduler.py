"""Scheduler of the evaluation of blocks."""

from server.timescale.scheduler import ActorScheduler

EVALUATED_EVERY_S = 60


class BlockScheduler(ActorScheduler):
    """Sends the actor that looks for blocks once a minute."""

    name = "blocks"
    every_s = 5.0
    actor = "evaluate_blocks"
    sent_every_s = EVALUATED_EVERY_S
