"""Make an API key from the command line."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from server.nodes.models import ApiKey, Node


class Command(BaseCommand):
    """Print the new key, and nothing else, on standard output."""

    help = "Make an API key and print it. It is stored as a hash and cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True, help="who holds the key, for your memory")
        parser.add_argument(
            "--scope",
            choices=ApiKey.Scope.values,
            default=ApiKey.Scope.AGENT,
            help="what it may do (default: %(default)s)",
        )
        of_node = parser.add_mutually_exclusive_group()
        of_node.add_argument("--node", help="the only node it may speak for")
        of_node.add_argument(
            "--any-node", action="store_true", help="it may speak for every node, and make new ones"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        is_bound = options["node"] or options["any_node"]
        if not is_bound and options["scope"] in ApiKey.WRITING:
            raise CommandError("Say which node the key is for: --node NAME, or --any-node.")
        node = Node.objects.get_or_create(name=options["node"])[0] if options["node"] else None
        _, text = ApiKey.issue(name=options["name"], scope=options["scope"], node=node)
        self.stdout.write(text)
