"""The `keyhouse` command: its commands, and the one place where an ending becomes an exit code."""

import os
import sys
from typing import Final

from cyclopts import App, CycloptsError, Parameter

from keyhouse import __version__
from keyhouse.cli.talk import Exit, Failure, say

_SERVE: Final = """Start Keyhouse; on a new database, print a one-time link to set up the first account.

For example:

    keyhouse serve

    keyhouse serve --port 9000 --data /var/lib/keyhouse --config /etc/keyhouse.toml
"""

_INIT: Final = """Set up Keyhouse: organization, owner, default project, and an admin key that is shown this once.

It works on the database itself, with the server stopped, and ends with 5 if Keyhouse is set up already.

For example:

    keyhouse init --email ada@example.com --organization Acme --password-stdin < password.txt
"""

_USAGE: Final = """Show requests, tokens and cost over time, in UTC.

For example:

    keyhouse usage

    keyhouse usage --since 24h --bucket 1h --by key --by model

    keyhouse usage embeddings --by project

    keyhouse usage --since 2026-11-01 --until 2026-12-01 --project Research --json
"""

_COSTS: Final = """Show cost by day, in UTC.

For example:

    keyhouse costs

    keyhouse costs --since 2026-11-01 --until 2026-12-01 --by project --json
"""

_DOCTOR: Final = """Look for what is wrong: configuration, database, master key, disk, clock, upstreams, and the way.

It reads only, and makes one small streamed call with KEYHOUSE_API_KEY, if that is set. Ends with 1 if there is a
problem.

For example:

    keyhouse doctor --data /var/lib/keyhouse --config /etc/keyhouse.toml

    KEYHOUSE_API_KEY=$(cat key.txt) keyhouse doctor --model gpt-5-mini
"""

_LET_IN: Final = """Make a one-time link by which someone chooses a new password, for 30 minutes.

For an owner whom nobody else can let in: everybody else is given such a link by an owner, on the page of members. It
reads the database and the master key, so it works where Keyhouse runs, also while it runs.

For example:

    keyhouse reset-password --data data --email ada@example.com
"""

_SCAN: Final = """Look for secrets of Keyhouse in files, git's history, logs or stdin. Ends with 1 if there are any.

Binary files, .git folders and links are skipped.

For example:

    keyhouse scan

    keyhouse scan --history --verify ~/code/app

    git diff --cached | keyhouse scan -
"""


app: Final = App(
    name="keyhouse",
    help="Your organization's own API-keys platform for AI.",
    version=__version__,
    default_parameter=Parameter(negative=""),
)

# By name, so that a command loads only what it needs: `keys list` no server, `serve` no HTTP client. What is
# named is not read for its help either, so it stands here.
app.command("keyhouse.cli.serve:serve", name="serve", help=_SERVE)
app.command("keyhouse.cli.init:init", name="init", help=_INIT)
app.command("keyhouse.cli.projects:projects_app", name="projects", help="The organization's projects.")
app.command("keyhouse.cli.keys:keys_app", name="keys", help="API keys: what applications call models with.")
app.command("keyhouse.cli.admin_keys:admin_keys_app", name="admin-keys", help="Keys that administer.")
app.command("keyhouse.cli.users:users_app", name="users", help="The organization's users.")
app.command("keyhouse.cli.invites:invites_app", name="invites", help="Links by which people come in.")
app.command("keyhouse.cli.groups:groups_app", name="groups", help="Users who hold roles together.")
app.command("keyhouse.cli.roles:roles_app", name="roles", help="Roles, and who holds them.")
app.command(
    "keyhouse.cli.service_accounts:service_accounts_app",
    name="service-accounts",
    help="Machines that own keys of a project.",
)
app.command("keyhouse.cli.policies:policies_app", name="policies", help="What the organization wants of its keys.")
app.command("keyhouse.cli.limits:limits_app", name="limits", help="Budgets and rate limits.")
app.command("keyhouse.cli.rate_limits:rate_limits_app", name="rate-limits", help="A project's limits on each model.")
app.command("keyhouse.cli.spending:spend_limits_app", name="spend-limits", help="What may be spent in a month.")
app.command("keyhouse.cli.spending:spend_alerts_app", name="spend-alerts", help="Amounts a month that are told of.")
app.command("keyhouse.cli.upstreams:upstreams_app", name="upstreams", help="The servers that models run on.")
app.command("keyhouse.cli.served_models:models_app", name="models", help="Models, and who serves them.")
app.command("keyhouse.cli.usage:usage", name="usage", help=_USAGE)
app.command("keyhouse.cli.usage:costs", name="costs", help=_COSTS)
app.command("keyhouse.cli.calls:calls_app", name="calls", help="Calls, and what each was charged for.")
app.command("keyhouse.cli.audit:audit_app", name="audit", help="The audit log: who changed what, and is it whole.")
app.command("keyhouse.cli.doctor:doctor", name="doctor", help=_DOCTOR)
app.command("keyhouse.cli.reset_password:reset_password", name="reset-password", help=_LET_IN)
app.command("keyhouse.cli.scan:scan", name="scan", help=_SCAN)
app.command("keyhouse.cli.ledger:ledger_app", name="ledger", help="Check the books.")
app.command("keyhouse.cli.demo:demo_app", name="demo", help="A made-up organization, to look at and to measure.")
app.command("keyhouse.cli.master_key:master_key_app", name="master-key", help="The key to all that is kept secret.")
app.command("keyhouse.cli.db:db_app", name="db", help="The database's schema.")


def run() -> None:
    """Run the command with this process's arguments, and end the process."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: list[str]) -> int:
    """Run the command; its exit code."""
    try:
        status = app(
            arguments, exit_on_error=False, print_error=False, help_on_error=False, result_action="return_value"
        )
        sys.stdout.flush()
    except CycloptsError as error:
        say(f"{error} See `keyhouse {' '.join(error.command_chain or ())} --help`.".replace("  ", " "))
        return Exit.USAGE
    except Failure as failure:
        say(failure.message)
        return failure.status
    except BrokenPipeError:
        # Whoever read has gone; what is still buffered must not complain at exit (docs.python.org, SIGPIPE).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.ERROR
    return status if isinstance(status, int) else Exit.OK


if __name__ == "__main__":
    run()
