"""With no configuration at all, the first key gets its first answer from the built-in upstream."""

from pathlib import Path

from openai import OpenAI

from e2e.admin import Admin
from e2e.processes import House, eventually


def test_without_any_configuration_the_first_key_gets_an_answer_from_the_demo_upstream(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.init()
    house.start()
    try:
        with Admin(house) as admin, OpenAI(base_url=f"{house.url}/v1", max_retries=0, api_key="-") as nobody:
            key = admin.create_key("first")
            client = nobody.with_options(api_key=key["value"])
            assert [model.id for model in client.models.list()] == ["keyhouse-demo"]
            answer = client.chat.completions.create(
                model="keyhouse-demo", messages=[{"role": "user", "content": "Hello"}]
            )
            assert "demo" in (answer.choices[0].message.content or "").lower()
            assert answer.usage is not None
            streamed = client.chat.completions.create(
                model="keyhouse-demo", messages=[{"role": "user", "content": "Hello"}], stream=True
            )
            assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed if chunk.choices)
            rows = house.calls(key["id"])
            assert [(row["state"], row["model"]) for row in rows] == [("settled", "keyhouse-demo")] * 2
            assert rows[0]["output_tokens"] == answer.usage.completion_tokens
        house.verify()
    finally:
        house.stop()


def test_the_server_prints_a_one_time_link_while_nobody_has_an_account(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.start()
    try:
        assert house.child is not None
        child = house.child
        eventually(lambda: f"{house.url}/set-up/" in child.said, "no link")
    finally:
        house.stop()
