"""The command line: `worldgate try -- COMMAND`, and what follows from it.

Exit codes: 0 approved or done, 2 rejected, 1 error, 130 interrupted. With `--json`, one JSON document on
standard output.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import traceback
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from . import COMPILED, __version__, cli_horizon, cli_lab, cli_market, cli_model, cli_network, cli_world
from .facts import Error
from .options import (
    HERE,
    BadOption,
    BadUsage,
    Defect,
    Json,
    SystemRefused,
    Where,
    budget_of,
    policy_of,
    spoken,
    workspace_of,
)
from .terminal import fail, finish, following, ground, print_json, print_lines, progress, propose

app = typer.Typer(
    name="worldgate",
    help="Judge what a change does before it is done.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(cli_world.world_app, name="world")
app.add_typer(cli_market.app, name="market")
app.add_typer(cli_network.app, name="network")
app.add_typer(cli_horizon.horizon_app, name="horizon")
app.add_typer(cli_lab.lab_app, name="lab")
app.add_typer(cli_model.model_app, name="model")
app.command()(cli_market.replay)

PolicyFile = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", help="A policy; without one, the default one.")
]
Limit = Annotated[list[str], typer.Option("--budget", metavar="NAME=LIMIT", help="Limit a resource: files=20.")]
Protect = Annotated[list[str], typer.Option("--protect", metavar="GLOB", help="Nothing at or beneath may be touched.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or its first characters.")]


class Answers(StrEnum):
    """How an endpoint is asked for JSON: by a schema where it can, else by its JSON mode, else in words."""

    json_schema = "json_schema"
    json_object = "json_object"
    text = "text"


REJECTED = ("WG366", "WG601", "WG622", "WG624", "WG721", "WG722", "WG723", "WG724", "WG725", "WG726")
"""Errors that say no to a commit, rather than that something is wrong."""


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        code = app(prog_name="worldgate", standalone_mode=False)
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # a command group alone: its text is the help
            typer.echo(str(error))
        else:
            fail(_misused(error))
        code = 1
    except typer.Abort:
        code = 1
    except Error as error:
        if os.environ.get("WORLDGATE_TRACEBACK"):
            traceback.print_exc()
        fail(error)
        code = 2 if error.number in REJECTED else 1
    except BrokenPipeError:  # whoever was reading has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except (OSError, sqlite3.OperationalError) as error:
        place = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
        fail(SystemRefused(f"{place}{getattr(error, 'strerror', None) or error}", "a place that may be written"))
        code = 1
    except Exception as error:
        if os.environ.get("WORLDGATE_TRACEBACK"):
            raise
        fail(Defect(repr(error), "no such thing", "Please report it, with what WORLDGATE_TRACEBACK=1 shows."))
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _misused(error: typer.TyperException) -> BadUsage:
    """What the command line made no sense of: which option or argument, and whose help says what it takes."""
    told = getattr(error, "format_message", error.__str__)()
    command = getattr(getattr(error, "ctx", None), "command_path", "worldgate")
    return BadUsage(told.rstrip("."), "a command and its options", f"`{command} --help` lists them.")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"worldgate {__version__} ({'compiled' if COMPILED else 'pure Python'})")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Judge what a change does before it is done."""


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(help="The directory to guard.")] = HERE,
    world: Annotated[str, typer.Option(metavar="WORLD", help="A world's name, or a world file (YAML).")] = "filesystem",
    adopt: Annotated[
        str, typer.Option(metavar="WHY", help="Accept a ledger that was moved or restored; recorded for ever.")
    ] = "",
    sign: Annotated[
        Path | None, typer.Option(metavar="KEY", help="Sign every record with this key file, made if it is not there.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a workspace of a directory: its gate keeps runs and the ledger in .worldgate/."""
    from .gate.workspace import Workspace

    if adopt:
        Workspace.find(directory).adopt(adopt)
    workspace = Workspace.make(directory, world, sign)
    if as_json:
        print_json({"workspace": str(workspace.root), "world": workspace.guarded.world.name})
    else:
        typer.echo(f"workspace {workspace.root} over world {workspace.guarded.world.name}")


@app.command(name="try", context_settings={"allow_interspersed_args": False})
def try_(
    command: Annotated[list[str], typer.Argument(metavar="COMMAND...", help="One argument is a shell line.")],
    protect: Protect = [],  # noqa: B006  (typer reads the default)
    policy: PolicyFile = None,
    budget: Limit = [],  # noqa: B006
    allow_net: Annotated[bool, typer.Option("--allow-net", help="Let the command use the network.")] = False,
    commit_: Annotated[bool, typer.Option("--commit", help="Commit at once if approved.")] = False,
    directory: Where = HERE,
    as_json: Json = False,
) -> None:
    """Run a command in isolation, show what it would change, and judge that. Nothing is changed."""
    from .gate.workspace import NotAWorkspace, Workspace

    try:
        workspace = Workspace.find(directory)
    except NotAWorkspace:
        workspace = Workspace.make(directory)
    rules = policy_of(policy, workspace.guarded.world, protect, allow_net)
    with progress("running it in isolation"):
        proposal = workspace.run_command(
            spoken(command), rules, budget_of(budget), network=allow_net, cwd=directory.resolve()
        )
    finish(workspace, proposal, ground(rules) if not (policy or protect) else "", commit_, as_json)


@app.command()
def plan(
    file: Annotated[Path, typer.Argument(help="A plan (YAML or JSON); - for standard input.")],
    policy: PolicyFile = None,
    protect: Protect = [],  # noqa: B006
    budget: Limit = [],  # noqa: B006
    commit_: Annotated[bool, typer.Option("--commit", help="Commit at once if approved.")] = False,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Also draw the plan's graph into this file.")
    ] = None,
    directory: Where = HERE,
    as_json: Json = False,
) -> None:
    """Simulate a plan, show what it would change, and judge that. Nothing is changed."""
    from .gate.graph import draw_svg, draw_text
    from .gate.plan import BadPlan, load_plan

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise BadPlan(f"{file}: {error}", "a readable plan") from error
    workspace = workspace_of(directory)
    found = load_plan(text, name=file.name, world=workspace.guarded.world.name)
    rules = policy_of(policy, workspace.guarded.world, protect)
    with progress("simulating"):
        proposal = workspace.plan(found, rules, budget_of(budget))
    marked = {breach.step for breach in proposal.decision.breaches if breach.step}
    if svg:
        try:
            svg.write_text(draw_svg(found, marked), encoding="utf-8")
        except OSError as error:
            raise BadOption(f"--svg {svg}: {error}", "a file that can be written") from error
    drawing = "" if found.is_chain else draw_text(found, marked)
    finish(workspace, proposal, ground(rules) if not (policy or protect) else "", commit_, as_json, drawing)


@app.command()
def ask(
    goal: Annotated[str, typer.Argument(help="What the plan is to achieve, in words.")],
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="The model's name, or its Bedrock id.")],
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="An OpenAI-compatible endpoint, up to /v1.")
    ] = None,
    bedrock: Annotated[
        bool, typer.Option("--bedrock", help="Ask Amazon Bedrock instead; --url is its endpoint.")
    ] = False,
    answers: Annotated[
        Answers,
        typer.Option("--answers", metavar="json_schema|json_object|text", help="How the endpoint is asked for JSON."),
    ] = Answers.json_schema,
    repairs: Annotated[int, typer.Option(metavar="N", min=0, help="How often a refused plan may be mended.")] = 2,
    policy: PolicyFile = None,
    budget: Limit = [],  # noqa: B006
    directory: Where = HERE,
    as_json: Json = False,
) -> None:
    """Ask a language model for a plan, and judge it like any other. Nothing is changed.

    The key is read from OPENAI_API_KEY, or from where boto3 finds AWS credentials. State and policy go to the endpoint.
    """
    from .gate.budget import Meter
    from .planners.llm import BedrockModel, OpenAIModel, describe, plan_with_repairs, verifier

    workspace = workspace_of(directory)
    world, state, limits = workspace.guarded.world, workspace.state(), budget_of(budget)
    rules = policy_of(policy, world, [])
    if rules.risk and rules.enforced and not (workspace.answers and workspace.answers.rests(state)):
        raise BadOption("--policy with `risk`", "one without, where no bars are kept to draw futures from")
    asked = (
        BedrockModel(model, endpoint_url=url) if bedrock else OpenAIModel(model, base_url=url, answers=answers.value)
    )
    verify = verifier(world, state, rules, limits, whole=workspace.guarded.whole, assess=workspace.answers)
    with progress(f"asking {model}"):
        found = plan_with_repairs(asked, describe(world, state, rules, goal), verify, Meter(limits), repairs=repairs)
    if found.plan is None:
        raise found.rejection or Defect("neither a plan nor a reason", "one of them")
    with progress("simulating"):
        proposal = workspace.plan(found.plan, rules, limits)
    finish(workspace, proposal, ground(rules) if not policy else "", False, as_json)


@app.command()
def commit(run: RunId, directory: Where = HERE, as_json: Json = False) -> None:
    """Commit an approved run: exactly the delta that was shown, once, if nothing it rests on has changed."""
    workspace = workspace_of(directory)
    run = workspace.runs.resolve(run)
    with progress("committing"):
        decision = workspace.commit(run)
    if as_json:
        print_json({"run": run, "committed": True, "totals": decision.totals})
    else:
        print_lines([("bold green", f"committed  run {run[:12]}"), ("dim", f"to undo it: worldgate undo {run[:12]}")])


@app.command()
def undo(
    run: RunId,
    policy: PolicyFile = None,
    dry: Annotated[bool, typer.Option("--dry", "-n", help="Only propose it.")] = False,
    directory: Where = HERE,
    as_json: Json = False,
) -> None:
    """Undo a committed run: a run of its own, judged and recorded like any other."""
    workspace = workspace_of(directory)
    rules = policy_of(policy, workspace.guarded.world, []) if policy else None
    with progress("simulating the undo"):
        proposal = workspace.undo(run, rules)
    if proposal.approved and not dry:
        workspace.commit(proposal.id)
    propose(proposal, as_json, [following(proposal) if dry or not proposal.approved else "undone"])


@app.command()
def show(run: RunId, directory: Where = HERE, as_json: Json = False) -> None:
    """Show a run in full: every change, every step, every breach, what became of it."""
    from .gate.workspace import Workspace
    from .render import run_lines

    workspace = Workspace.find(directory)
    run = workspace.runs.resolve(run)
    docs = {name: workspace.runs.load(run, name) for name in ("run", "decision", "trajectory", "deltas")}
    history = workspace.records(run)
    if as_json:
        print_json({**docs, "history": [[record.seq, record.at, record.kind] for record in history]})
        return
    print_lines(run_lines(docs["run"], docs["decision"], docs["trajectory"], full=True))
    for record in history:
        typer.echo(f"  {record.at[:19]}Z  {record.kind}")


@app.command()
def explain(run: RunId, directory: Where = HERE, as_json: Json = False) -> None:
    """Explain a decision: the rules in force, the stage that settled it, the smallest fact behind each breach."""
    from .gate.policy import Policy, make_policy
    from .gate.policy import explain as rules_in_words
    from .gate.workspace import Workspace
    from .render import explain_lines

    workspace = Workspace.find(directory)
    run = workspace.runs.resolve(run)
    doc, decision = workspace.runs.load(run, "run"), workspace.runs.load(run, "decision")
    world = workspace.guarded.world
    default = Policy.default(world.name, world.schema).digest
    policy = make_policy(doc.policy, "default" if doc.policy_digest == default else "given", world.schema)
    if as_json:
        print_json({"run": run, "policy": doc.policy, "decision": decision.decision, "undo": decision.undo})
    else:
        print_lines(explain_lines(doc, decision, rules_in_words(policy)))


@app.command()
def log(
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="At most so many records.")] = 20,
    every: Annotated[bool, typer.Option("--all", help="The steps between proposal and outcome too.")] = False,
    directory: Where = HERE,
    as_json: Json = False,
) -> None:
    """List the ledger: what was proposed, refused, committed and undone, the latest last."""
    from .gate.workspace import Workspace
    from .render import log_lines, outcomes

    workspace = Workspace.find(directory)
    records = workspace.records()
    records = (records if every or as_json else outcomes(records))[-limit:]
    if as_json:
        print_json([{"seq": r.seq, "at": r.at, "kind": r.kind, "run": r.run, "body": r.data} for r in records])
    else:
        print_lines(log_lines(records, workspace.runs))


@app.command()
def verify(
    fast: Annotated[bool, typer.Option("--fast", help="Check the chain only; run nothing again.")] = False,
    directory: Where = HERE,
    as_json: Json = False,
) -> None:
    """Check the ledger's chain and run every recorded run again; say what differs."""
    from .gate.audit import audit
    from .render import audit_lines

    with progress("running the record again"):
        report = audit(workspace_of(directory), execute=not fast)
    if as_json:
        print_json(report)
    else:
        print_lines(audit_lines(report))
    if report.problems:
        raise typer.Exit(2)


@app.command()
def demo(
    only: Annotated[list[str], typer.Argument(help="Names of incidents; without any, all.")] = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Run the incidents: each a short story on a scratch copy of a real directory."""
    from .demo import run_incidents

    failed = run_incidents(only, as_json=as_json)
    if failed:
        raise typer.Exit(1)
