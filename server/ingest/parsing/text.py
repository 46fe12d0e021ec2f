"""Text from outside, cleaned once per body: JSON that decodes, without hostile characters.

Controls (but tab and line breaks), lone surrogates and bytes that are not UTF-8 become U+FFFD;
bidirectional marks are removed, since they make a page show what is not there. Pure.
"""

import re

BOM = b"\xef\xbb\xbf"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}".encode()
#: Marks that reorder or hide text: removed. The same in UTF-8.
BIDI = frozenset((0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF))
_RAW = re.compile(
    rb"(\xd8\x9c|\xe2\x80[\x8e\x8f\xaa-\xae]|\xe2\x81[\xa6-\xa9]|\xef\xbb\xbf)"
    rb"|\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]"
)
#: Each escape of JSON, a pair of surrogates as one: read from left to right, so that a backslash
#: that is itself escaped begins none.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([0-9a-fA-F]{4})|[^u])",
    re.DOTALL,
)
# A text that has no end goes to the end, or each quote in it would begin another look at the rest.
_NO_NUMBER = re.compile(rb'"(?:[^"\\]++|\\.|\\\Z)*+(?:"|\Z)|-?\b(?:NaN|Infinity)\b', re.DOTALL)
_LINE_BREAKS = frozenset((0x09, 0x0A, 0x0D))
_FIRST_PRINTABLE, _FIRST_SURROGATE, _LAST_SURROGATE = 0x20, 0xD800, 0xDFFF
_DELETE, _LAST_C1 = 0x7F, 0x9F
_LINE_SEPARATORS = (0x2028, 0x2029)


def clean_json(body: bytes) -> bytes:
    """Return JSON with all texts in it clean. Most bodies are: a look or two, and no copy."""
    body = body.removeprefix(BOM)
    if not body.isascii():
        body = _RAW.sub(_clean_raw, _valid_utf8(body))
    elif b"\x7f" in body:
        body = body.replace(b"\x7f", REPLACEMENT)
    return _ESCAPE.sub(_clean_escape, body) if b"\\" in body else body


def null_no_numbers(body: bytes) -> bytes:
    """Return JSON with null in place of NaN and Infinity, which Python writes and JSON has not."""
    return _NO_NUMBER.sub(lambda m: m[0] if m[0].startswith(b'"') else b"null", body)


def _valid_utf8(body: bytes) -> bytes:
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode(errors="replace").encode()
    return body


def _clean_raw(match: re.Match[bytes]) -> bytes:
    return b"" if match[1] else REPLACEMENT


def _clean_escape(match: re.Match[bytes]) -> bytes:
    if match[0] in (b"\\b", b"\\f"):
        return REPLACEMENT
    if match[1] is None:
        return match[0]
    code = int(match[1], 16)
    if code in BIDI:
        return b""
    is_control = code < _FIRST_PRINTABLE and code not in _LINE_BREAKS
    is_unclean = (
        is_control
        or _DELETE <= code <= _LAST_C1
        or _FIRST_SURROGATE <= code <= _LAST_SURROGATE
        or code in _LINE_SEPARATORS
    )
    return REPLACEMENT if is_unclean else match[0]
