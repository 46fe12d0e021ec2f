"""Parts that all pages share: base page, navigation, query parameters, formats, live connection."""
