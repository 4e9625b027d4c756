"""Finding what a person named: a project, group or role by its id or name, a user by theirs or their address, a key's
project by the key.
"""

from typing import Annotated

from cyclopts import Parameter

from keyhouse.cli.client import Client, Json, part, require_id
from keyhouse.cli.talk import Exit, Failure

Key = Annotated[str, Parameter(help="The key, by its id (key_...); never its secret.")]
"""The argument that names a key."""

ProjectOption = Annotated[str | None, Parameter(name="--project", help="The project, by its id or its name.")]
"""The option that names a project."""

UserName = Annotated[str, Parameter(help="The user, by their id or their e-mail address.")]
"""The argument that names a user."""

GroupName = Annotated[str, Parameter(help="The group, by its id or its name.")]
"""The argument that names a group."""

RoleName = Annotated[str, Parameter(help="The role, by its id or its name.")]
"""The argument that names a role."""


def user(client: Client, named: str) -> str:
    """The id of the user with this id or address."""
    if "@" not in named:
        return require_id(named)
    for each in client.every("/users", {"emails": named}):
        return str(each["id"])
    raise Failure(f"there is no user {named!r}. `keyhouse users list` shows them.", Exit.NOT_FOUND)


def group(client: Client, named: str) -> str:
    """The id of the group with this id or name."""
    for each in client.every("/groups"):
        if named in (each["id"], each["name"]):
            return str(each["id"])
    raise Failure(f"there is no group {named!r}. `keyhouse groups list` shows them.", Exit.NOT_FOUND)


def roles_root(project_id: str | None) -> str:
    """Where the roles of a project, else of the organization, and who holds them, are."""
    return "" if project_id is None else f"/v1/projects/{part(project_id)}"


def role(client: Client, named: str, project_id: str | None) -> str:
    """The id of the role with this id or name, of the project or of the organization."""
    for each in client.every(f"{roles_root(project_id)}/roles"):
        if named in (each["id"], each["name"]):
            return str(each["id"])
    where = "" if project_id is None else f" --project {project_id}"
    raise Failure(f"there is no role {named!r}. `keyhouse roles list{where}` shows them.", Exit.NOT_FOUND)


def project(client: Client, named: str | None) -> str:
    """The id of the project with this id or name; without one, of the default project."""
    if named is not None and named.startswith("proj_"):
        return named
    projects = client.every("/projects")
    if named is None:
        found = [each for each in projects if each.get("is_default")]
        if not found:
            raise Failure("there is no default project. Name one with --project.", Exit.USAGE)
        return str(found[0]["id"])
    found = [each for each in projects if each["name"] == named]
    if not found:
        raise Failure(f"there is no project {named!r}. `keyhouse projects list` shows them.", Exit.NOT_FOUND)
    if len(found) > 1:
        ids = ", ".join(each["id"] for each in found)
        raise Failure(f"{len(found)} projects are called {named!r}: name one by its id ({ids}).", Exit.USAGE)
    return str(found[0]["id"])


def key(client: Client, key_id: str, named: str | None) -> Json:
    """The key with this id, revoked or not, in the project named, else wherever it is."""
    name = part(key_id)
    if named is not None:
        return client.get(f"/projects/{part(project(client, named))}/api_keys/{name}", {"include_revoked": "true"})
    projects = sorted(client.every("/projects", {"include_archived": "true"}), key=lambda each: not each["is_default"])
    for each in projects:
        try:
            return client.get(f"/projects/{part(each['id'])}/api_keys/{name}", {"include_revoked": "true"})
        except Failure as failure:
            if failure.status is not Exit.NOT_FOUND:
                raise
    raise Failure(
        f"There is no API key {key_id} in this organization. `keyhouse keys list` shows them with their ids.",
        Exit.NOT_FOUND,
    )


def key_path(client: Client, key_id: str, named: str | None) -> str:
    """The path of the key with this id."""
    if named is not None:
        return f"/projects/{part(project(client, named))}/api_keys/{part(key_id)}"
    found = key(client, key_id, None)
    return f"/projects/{part(found['project_id'])}/api_keys/{part(key_id)}"


def service_account_path(client: Client, account_id: str, named: str | None) -> str:
    """The path of the service account with this id, in the project named, else wherever it is."""
    name = part(account_id)
    if named is not None:
        return f"/projects/{part(project(client, named))}/service_accounts/{name}"
    for each in client.every("/projects", {"include_archived": "true"}):
        path = f"/projects/{part(each['id'])}/service_accounts/{name}"
        try:
            client.get(path)
        except Failure as failure:
            if failure.status is not Exit.NOT_FOUND:
                raise
        else:
            return path
    raise Failure(
        f"There is no service account {account_id} in this organization. `keyhouse service-accounts list` shows them "
        "with their ids.",
        Exit.NOT_FOUND,
    )
