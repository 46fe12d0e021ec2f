"""Sources of events: the plugins through the receiver, ZoneMTA's database by change stream."""
