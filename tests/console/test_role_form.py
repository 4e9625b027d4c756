"""The form of a role: nothing of a list of permissions is lost on the way through it."""

from keyhouse.console.role_form import Typed, in_words, permissions_of, read_typed, things, typed_of
from keyhouse.core.authority import EVERYTHING, Task, implied


def test_every_permission_can_be_given_by_the_form() -> None:
    for task in Task:
        assert permissions_of(typed_of("x", None, [str(task)])) == [str(task)]
    offered = {
        permission
        for _, group in things(EVERYTHING)
        for thing in group
        for value, _ in thing.choices
        for permission in permissions_of(Typed(access={thing.field: value}))
    }
    assert offered == {str(task) for task in Task}


def test_what_may_be_changed_may_be_seen_and_stays_so() -> None:
    typed = typed_of("x", None, sorted(implied({Task.USERS, Task.AUDIT_LOGS_READ})))
    assert implied(map(Task, permissions_of(typed))) == implied({Task.USERS, Task.AUDIT_LOGS_READ})


def test_nobody_is_offered_more_than_they_have() -> None:
    (group,) = things(frozenset({Task.USERS_READ}))
    assert [(thing.title, thing.choices) for thing in group[1]] == [("People", (("", "None"), ("read", "See")))]
    assert things(frozenset()) == ()


def test_what_no_form_offers_is_left_out() -> None:
    typed = read_typed({"name": " Clerk ", "may_organization_users": "eat", "may_x": "read", "csrf": "x"})
    assert (typed.name, permissions_of(typed)) == ("Clerk", [])


def test_permissions_in_words_say_the_most_of_each_thing() -> None:
    assert in_words([Task.USERS, Task.USERS_READ, Task.MODEL_REQUEST]) == ("Calls of models: make", "People: change")
