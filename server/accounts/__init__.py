"""People: login, logout, roles and the audit log. Nothing about mail."""
