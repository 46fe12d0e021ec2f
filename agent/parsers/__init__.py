"""Parsers of the output of programs and the kernel: text or plain data → structs. Pure."""
