"""Pure: what programs and the kernel say, as text or plain data → structs. No I/O here."""
