"""Invites, through OpenAI's own client."""

import pytest
from openai import ConflictError, NotFoundError

from admin.town import Town


def test_invites_are_made_paged_and_taken_back(town: Town) -> None:
    with town.sdk() as client:
        invites = client.admin.organization.invites
        made = invites.create(email="A@example.com", role="reader", projects=[{"id": "proj_1", "role": "member"}])
        other = invites.create(email="b@example.com", role="owner")
        assert {invite.id for invite in invites.list(limit=1)} == {made.id, other.id}
        found = invites.retrieve(made.id)
        assert (found.email, found.status, found.projects[0].role) == ("a@example.com", "pending", "member")
        with pytest.raises(ConflictError):
            invites.create(email="a@example.com", role="owner")
        assert invites.delete(made.id).deleted
        with pytest.raises(NotFoundError):
            invites.retrieve(made.id)


def test_the_link_is_in_the_answer_to_its_creation_only(town: Town) -> None:
    made = town.ask("POST", "/invites", body={"email": "a@example.com", "role": "member"}).json()
    assert made["url"].startswith(f"{town.url}/invite/")
    assert "url" not in town.ask("GET", f"/invites/{made['id']}").json()
    town.clock.turn(days=7)
    assert town.ask("GET", f"/invites/{made['id']}").json()["status"] == "expired"


def test_one_whose_maker_may_no_longer_give_as_much_is_expired(town: Town) -> None:
    town.ask("POST", "/users/user-member", body={"role": "owner"})
    made = town.ask("POST", "/invites", key=town.member, body={"email": "a@example.com", "role": "reader"}).json()
    assert made["status"] == "pending"
    town.ask("POST", "/users/user-member", body={"role": "member"})
    assert town.ask("GET", f"/invites/{made['id']}").json()["status"] == "expired"
    assert [one["status"] for one in town.ask("GET", "/invites").json()["data"]] == ["expired"]
    again = town.ask("POST", "/invites", body={"email": "a@example.com", "role": "reader"}).json()
    assert [one["id"] for one in town.ask("GET", "/invites").json()["data"]] == [again["id"]]
