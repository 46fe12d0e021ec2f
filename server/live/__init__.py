"""Live counters: published after commit, pumped once a tick to every socket."""
