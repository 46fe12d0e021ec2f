"""Classes of replies, held against a file of labelled ones: tests/samples/replies/README.md."""

import argparse
from pathlib import Path

from server.events.bounce_classes.accuracy import report_accuracy


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path)


def run(options: argparse.Namespace) -> int:
    print(report_accuracy(options.file.read_bytes().decode()))
    return 0
