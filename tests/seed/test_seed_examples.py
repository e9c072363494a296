# SPDX-License-Identifier: MIT
"""The uses that were promised, and the test of ours for each."""
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent

EXAMPLES = {
    "write and read a setting": "methods test_write_and_read",
    "as a context": "methods test_context",
    "as an asynchronous context": "methods test_async_context",
    "several steps under one lock, by threads": "locks test_reentrant",
    "several steps under one lock, by tasks": "async test_reentrant",
    "update: dicts": "methods test_update_dict",
    "update: lists": "methods test_update_list",
    "bytes": "methods test_bytes",
    "appended text": "methods test_append",
    "the list of formats": "methods test_lists_of_formats",
    "timeouts of all kinds": "locks test_timeouts",
    "settings that many processes change": "uses test_configuration",
    "a pipeline of three stages over two files": "uses test_pipeline",
    "an analysis by many tasks over three files": "uses test_analyser",
    "the exceptions and their order": "errors test_hierarchy",
    "handling of a file that cannot be read": "errors test_corrupted",
    "handling of a file that cannot be written": "errors "
                                                 "test_permission_denied",
    "handling of every failure": "uses test_failures",
    "handling of a timeout": "locks test_held_by_another_process",
    "handling of a timeout in a loop": "async test_timeout",
    "a CSV plugin over DictReader": "formats test_through",
    "a CSV plugin that is appended to": "formats test_update_table",
    "an XML plugin": "formats test_through",
    "a plugin over pickle": "formats test_through",
    "a gzip plugin": "formats test_through",
    "a plugin that explains its failures": "formats test_failing_loader",
    "a validated format": "formats test_validated",
    "a format in four lines": "uses test_own_bytes",
    "a plugin package with an entry point": "uses test_plugin_package",
    "whether a format is there": "formats test_registry_is_live",
    "20 threads, 50 times": "stress test_threads",
    "16 processes, 200 times": "stress test_processes",
    "a holder that lets others time out": "stress test_long_holder",
    "the same in one loop": "counts test_coordinated_async",
}


@pytest.mark.parametrize("example", list(EXAMPLES))
def test_example(example):
    """Its test is there."""
    module, name = EXAMPLES[example].split()
    text = (HERE / f"test_seed_{module}.py").read_text()
    assert f"\ndef {name}(" in text
