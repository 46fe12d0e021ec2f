"""One folder per page: view, pure page module, template, script and their tests."""
