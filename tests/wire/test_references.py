"""Every id that a request names is found, wherever it stands, so that each can be held against the books."""

import json

import pytest

from keyhouse.wire.chat import read_chat
from keyhouse.wire.references import references_in
from keyhouse.wire.responses import read_responses
from keyhouse.wire.responses_meter import read_kept


def test_ids_are_found_at_any_depth_and_what_a_client_writes_for_itself_is_not() -> None:
    value = {
        "file_ids": ["file-1", 7],
        "tools": [{"vector_store_ids": ["vs_1"], "container": {"type": "auto", "file_ids": ["file-2"]}}],
        "metadata": {"file_id": "mine"},
        "content": [{"annotations": [{"file_id": "cited"}], "file_id": "file-3"}],
        "name": "file-9",
    }
    assert sorted(references_in(value)) == [
        ("file_id", "file-3"),
        ("file_ids", "file-1"),
        ("file_ids", "file-2"),
        ("vector_store_ids", "vs_1"),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "x-1"}]}]},
        {"input": [{"role": "user", "content": [{"type": "input_image", "file\u005fid": "x-1"}]}]},
        {"input": [{"type": "computer_call_output", "output": {"file_id": "x-1"}}]},
        {"input": "hi", "tools": [{"type": "file_search", "vector_store_ids": ["x-1"]}]},
        {"input": "hi", "tools": [{"type": "code_interpreter", "container": "x-1"}]},
        {"input": "hi", "tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["x-1"]}}]},
        {"input": "hi", "prompt": {"id": "p", "variables": {"f": {"type": "input_file", "file_id": "x-1"}}}},
    ],
)
def test_what_a_response_reads_beside_its_text_is_named(fields: dict[str, object]) -> None:
    ask = read_responses(json.dumps({"model": "m", **fields}).encode()).ask
    assert [object_id for _, object_id in ask.references] == ["x-1"]


def test_a_file_in_a_chat_is_named() -> None:
    parts = [{"type": "odd"}, {"type": "file", "file": {"file_id": "x-1"}}]
    ask = read_chat(json.dumps({"model": "m", "messages": [{"role": "user", "content": parts}]}).encode()).ask
    assert ask.references == (("file_id", "x-1"),)


def test_a_container_that_was_made_for_an_answer_is_the_projects() -> None:
    output = [{"type": "code_interpreter_call", "id": "ci_1", "container_id": "cntr_1"}]
    assert ("container", "cntr_1") in read_kept(json.dumps({"id": "resp_1", "output": output}).encode()).made
