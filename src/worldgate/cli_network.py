"""The network's commands: make a workspace of what hosts say of themselves, and ask it who reaches whom."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .options import HERE, BadOption, Json, Where
from .terminal import print_json, print_lines

app = typer.Typer(help="Networks: import one, ask who reaches whom.", no_args_is_help=True)


@app.command(name="import")
def import_(
    folder: Annotated[
        Path, typer.Argument(help="A folder with a folder for each host: addr.json, route.json, nft.json.")
    ],
    directory: Annotated[Path, typer.Argument(help="The directory to keep the network in.")] = HERE,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a network that cannot be said exactly.")] = False,
    as_json: Json = False,
) -> None:
    """Make a workspace of a network, from what `ip -j` and `nft -j` print on its hosts; say what is left out."""
    from .gate.workspace import Workspace
    from .worlds.network.importing import imported

    if (directory / ".worldgate").exists():
        raise BadOption(f"{directory}, which is a workspace already", "a new directory")
    found = imported(folder, strict=strict)
    directory.mkdir(parents=True, exist_ok=True)
    workspace = Workspace.make(directory, "network", first=found.state)
    hosts = sum(1 for _ in found.state.facts("up"))
    if as_json:
        left = [one._asdict() for one in found.left_out]
        print_json({"workspace": str(workspace.root), "hosts": hosts, "facts": len(found.state), "left_out": left})
        return
    print_lines([("bold", f"workspace {workspace.root} over world network: {hosts} hosts, {len(found.state)} facts")])
    print_lines([("yellow", f"left out: {one}") for one in found.left_out])


@app.command()
def explain(
    source: Annotated[str, typer.Argument(help="The host that speaks.")],
    target: Annotated[str, typer.Argument(help="The host or address it speaks to.")],
    port: Annotated[str, typer.Argument(help="A port: 443, or 53/udp.")],
    directory: Where = HERE,
    as_json: Json = False,
) -> None:
    """Whether a connection would open: the path it takes, or what stands in its way (exit 2)."""
    from .worlds.network import explain as ask

    answer = ask(_state(directory), source, target, _port(port))
    if as_json:
        print_json({**answer._asdict(), "hops": answer.hops})
    elif answer.reached:
        way = f"  in {answer.hops} hop{'s' * (answer.hops != 1)} by {', '.join(answer.path)}"
        print_lines([("bold green", f"{source} reaches {target} {port}"), ("", way)])
    else:
        print_lines([("bold red", f"{source} does not reach {target} {port}"), ("", f"  {answer.why}")])
    raise typer.Exit(0 if answer.reached else 2)


@app.command()
def paths(
    sources: Annotated[str, typer.Argument(help="A zone or a host.")],
    targets: Annotated[str, typer.Argument(help="A zone or a host.")],
    directory: Where = HERE,
    as_json: Json = False,
) -> None:
    """Which services of one zone are reached from another, and how."""
    from .worlds.network.questions import hosts
    from .worlds.network.reachability import flows, walked

    state = _state(directory)
    try:
        found = [walked(state, one) for one in flows(state, hosts(sources, state), hosts(targets, state))]
    except LookupError as error:
        raise BadOption(str(error.args[0]), "a zone or a host of this network") from error
    if as_json:
        print_json([flow._asdict() for flow in found])
    else:
        print_lines([("", str(flow)) for flow in found] or [("dim", f"{sources} reaches nothing in {targets}")])


def _state(directory: Path) -> Any:
    """The network of a workspace as it is now."""
    from .gate.workspace import Workspace

    workspace = Workspace.find(directory)
    if workspace.guarded.world.schema.name != "network":
        raise BadOption(f"a workspace over {workspace.guarded.world.name}", "one over a network")
    return workspace.state()


def _port(text: str) -> str:
    from .worlds.network.actions import port

    if (found := port(text)) is None:
        raise BadOption(repr(text), "a port such as 443 or 53/udp")
    return found
