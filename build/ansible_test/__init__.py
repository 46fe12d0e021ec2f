"""Runs the Ansible roles on machines of their own: real systemd, real SSH."""
