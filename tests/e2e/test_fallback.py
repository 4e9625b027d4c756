"""Two real llama.cpp servers, added while Keyhouse runs; one is killed in the middle of the work."""

from pathlib import Path

from openai import OpenAI

from e2e.admin import Admin
from e2e.configuration import UPSTREAM_KEY
from e2e.processes import House, llama


def test_a_killed_upstream_is_stood_in_for_and_the_books_say_so(tmp_path: Path) -> None:
    servers = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        servers.append(llama(tmp_path / name, UPSTREAM_KEY))
    house = House(tmp_path, "")
    house.init()
    house.start()
    try:
        with Admin(house) as admin:
            for name, (_, url) in zip(("first", "second"), servers, strict=True):
                body = {"name": name, "base_url": f"{url}/v1", "allow_private": True, "api_key": UPSTREAM_KEY}
                upstream = admin.ask("POST", "/upstreams", body=body)
                tested = admin.ask("POST", f"/upstreams/{upstream['id']}/test", body={"model": "tiny-1"})
                assert tested["is_good"], tested
            prices = {"input_usd_per_million": "1.00", "output_usd_per_million": "2.00", "max_output_tokens": 64}
            model = {"name": "both", "upstreams": ["first", "second"], "upstream_model": "tiny-1"}
            admin.ask("POST", "/models", body=model | prices)
            key = admin.create_key()
        with OpenAI(api_key=key["value"], base_url=f"{house.url}/v1", max_retries=0) as client:

            def words() -> int:
                answer = client.chat.completions.create(
                    model="both", messages=[{"role": "user", "content": "hello"}], max_tokens=8
                )
                assert answer.usage is not None
                return answer.usage.completion_tokens

            assert all(words() > 0 for _ in range(2))
            servers[0][0].kill()
            assert all(words() > 0 for _ in range(4))
        rows = house.calls(key["id"])
        story = [(row["upstream"], row["attempt"], row["state"], row["flags"]) for row in rows]
    finally:
        house.stop()
        for child, _ in servers:
            child.stop()
    assert story[:2] == [("first", 1, "settled", "")] * 2
    assert story[2:4] == [
        ("first", 1, "released", "fell_back unreachable"),
        ("second", 2, "settled", ""),
    ]
    answered = [one for one in story[2:] if one[2] == "settled"]
    assert [one[0] for one in answered] == ["second"] * 4
    assert ("second", 1, "settled", "") in answered, "it cooled down, and was not asked first any more"
    house.verify()
    stored = b"".join(path.read_bytes() for path in (tmp_path / "data").glob("keyhouse.db*"))
    assert UPSTREAM_KEY.encode() not in stored
