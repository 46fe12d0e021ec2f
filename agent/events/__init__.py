"""Where events come from: the plugins through the receiver, ZoneMTA's database by change stream."""
