"""Every command: what it does, what it refuses, how it exits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Shell


def run_of(shell: Shell, *arguments: str, code: int = 0) -> str:
    """The id of the run that a command proposes."""
    return str(shell(*arguments[:1], "--json", *arguments[1:], code=code).json["run"])


# --- init ------------------------------------------------------------------------------------------


def test_init_makes_a_workspace_once(worldgate: Shell) -> None:
    assert worldgate("init").out == f"workspace {worldgate.root} over world filesystem\n"
    assert worldgate("init", "--json").json == {"workspace": str(worldgate.root), "world": "filesystem"}
    assert worldgate("log").lines == []


def test_init_refuses_what_is_no_directory_and_an_unknown_world(worldgate: Shell) -> None:
    assert "WG621" in worldgate("init", "nowhere", code=1).err
    assert "WG202" in worldgate("init", "--world", "nosuch", code=1).err


# --- try -------------------------------------------------------------------------------------------


def test_try_shows_and_changes_nothing(project: Shell) -> None:
    before = project.names()
    lines = project("try", "--", "mv a.txt c.txt; rm b.txt; echo more > d/x.txt; exit 7").lines
    assert lines[0].startswith("approved  run ")
    assert lines[0].endswith("1 deleted, 1 changed, 1 moved")
    assert lines[1] == "  3 B removed, 5 B written"
    assert lines[2].startswith("  exit 7: mv a.txt c.txt")
    assert lines[3:6] == ["  - b.txt", "  ~ a.txt -> c.txt", "  ~ d/x.txt (1 -> 5 bytes)"]
    assert project.names() == before


def test_try_gives_several_words_to_the_program_itself(project: Shell) -> None:
    assert "  | a.txt; ls $HOME" in project("try", "echo", "a.txt; ls $HOME").lines
    assert "  | --json -- -x" in project("try", "--", "echo", "--json", "--", "-x").lines


def test_try_refuses_with_2_and_says_which_rule_and_the_smallest_fact(project: Shell) -> None:
    refused = project("try", "--protect", "d/", "--", "rm -r d b.txt", code=2)
    assert "refused by protect: d/ (WG420)" in refused.lines
    assert "  - d/  (and 2 more)" in refused.lines
    assert refused.lines[-1] == "nothing was done"
    assert "d/x.txt" in project.names()


def test_try_commits_at_once_only_what_is_approved(project: Shell) -> None:
    assert "committed; to undo it: worldgate undo" in project("try", "--commit", "--", "rm a.txt").lines[-1]
    project("try", "--commit", "--protect", "b.txt", "--", "rm b.txt", code=2)
    assert project.names() == ["b.txt", "d", "d/x.txt", "d/y.txt"]


def test_try_keeps_to_a_budget_and_a_policy_file(project: Shell) -> None:
    assert "WG501" in project("try", "--budget", "files=1", "--", "rm a.txt b.txt", code=2).out
    policy = project.home / "policy.yaml"
    policy.write_text("version: 1\nwritable: [d/]\n")
    assert "writable (WG421)" in project("try", "--policy", str(policy), "--", "rm a.txt", code=2).out
    project("try", "--policy", str(policy), "--", "rm d/x.txt")


def test_a_command_that_meets_its_limit_is_refused_half_done(project: Shell) -> None:
    refused = project("try", "--budget", "seconds=0.5", "--commit", "--", "touch made; sleep 60; touch after", code=2)
    assert "refused by killed (WG326)" in refused.out
    assert "made" not in project.names()


def test_the_network_is_a_breach_unless_it_is_allowed(project: Shell) -> None:
    assert "lo" in project("try", "--", "tail -n +3 /proc/net/dev").out
    allowed = project("try", "--json", "--allow-net", "--", "true").json
    assert allowed["decision"]["decision"]["verdict"] == "approve"
    plan = project.plan("{engine: kernel, network: true, steps: ['true']}")
    assert "WG426" in project("plan", plan, code=2).out


def test_try_refuses_options_that_are_not_well_formed(project: Shell) -> None:
    for arguments, number in (
        (("--budget", "files"), "WG901"), (("--budget", "files=many"), "WG506"), (("--budget", "pages=1"), "WG505"),
        (("--policy", "nowhere.yaml"), "WG904"), (("--protect", "[a"), "WG400"), (("--unknown",), "WG902"),
    ):  # fmt: skip
        result = project("try", *arguments, "--", "true", code=1)
        assert number in result.err, arguments
        assert result.out == ""
    (project.home / "bad.yaml").write_text("version: 1\nlimts: {}\n")
    assert "WG400" in project("try", "--policy", str(project.home / "bad.yaml"), "--", "true", code=1).err


# --- plan ------------------------------------------------------------------------------------------


def test_plan_comes_from_a_file_or_from_standard_input(project: Shell) -> None:
    text = "- rm a.txt\n- mkdir e\n"
    lines = project("init").lines and project("plan", project.plan(text)).lines
    assert lines[1:5] == ["  s1: rm a.txt", "  s2: mkdir e", "  - a.txt", "  + e/"]
    run = project("plan", "-", "--json", stdin=text).json["run"]
    assert lines[0].split()[2] == run[:12]
    assert "a.txt" in project.names()


def test_plan_is_refused_with_its_shortest_prefix(project: Shell) -> None:
    project("init")
    text = "- touch e\n- mv d g\n- rm -r g\n- touch f\n"
    refused = project("plan", "-", "--protect", "d/y.txt", stdin=text, code=2)
    assert "refused by protect: d/y.txt (WG420) at step s2" in refused.lines
    assert "shortest prefix refused: s1, s2" in refused.lines
    assert "of these suffice: s2" in refused.lines
    assert "  s4: touch f  not reached" in refused.lines


def test_plan_with_branches_is_drawn_and_judged_in_every_order(project: Shell) -> None:
    project("init")
    text = """
    - {id: top, do: mkdir e}
    - {id: left, do: touch e/l, needs: [top]}
    - {id: right, do: touch e/r, needs: [top]}
    """
    svg = project.home / "plan.svg"
    out = project("plan", "-", "--svg", str(svg), "--commit", stdin=text).out
    assert all(name in out for name in ("top", "left", "right", "committed"))
    assert svg.read_text().startswith("<svg")
    assert "WG901" in project("plan", "-", "--svg", "nowhere/plan.svg", stdin="- ls", code=1).err
    racing = "- {id: a, do: mv a.txt c, needs: []}\n- {id: b, do: mv b.txt c, needs: []}\n"
    assert "(WG31" in project("plan", "-", stdin=racing, code=2).out


def test_plan_errors_exit_with_1_and_say_what_to_do(project: Shell) -> None:
    assert "WG621" in project("plan", "-", stdin="- ls", code=1).err
    project("init")
    for text, number in (
        ("", "WG30"), ("[]", "WG302"), ("{a: 1}", "WG301"), ("- {id: a, do: ls}\n- {id: a, do: ls}", "WG305"),
        ("- {id: a, do: ls, needs: [b]}", "WG304"), ("- ls: [", "WG301"),
    ):  # fmt: skip
        result = project("plan", "-", stdin=text, code=1)
        assert number in result.err, text
        assert result.out == ""
    assert "WG301" in project("plan", "nowhere.yaml", code=1).err


def test_plan_outside_the_model_is_refused_not_guessed(project: Shell) -> None:
    project("init")
    assert "(WG201)" in project("plan", "-", stdin="- git status", code=2).out


# --- commit, undo ----------------------------------------------------------------------------------


def test_commit_and_undo_by_the_first_characters_of_an_id(project: Shell) -> None:
    run = run_of(project, "try", "--", "mv d e; rm e/x.txt")
    assert project("commit", run[:6]).lines[0] == f"committed  run {run[:12]}"
    assert project.names() == ["a.txt", "b.txt", "e", "e/y.txt"]
    assert project("undo", "--dry", run[:6]).out.count("worldgate commit") == 1
    assert project.names() == ["a.txt", "b.txt", "e", "e/y.txt"]
    assert project("undo", run[:6]).lines[-1] == "undone"
    assert project.names() == ["a.txt", "b.txt", "d", "d/x.txt", "d/y.txt"]
    assert (project.root / "d/x.txt").read_text() == "x"


def test_commit_refuses_what_was_refused_what_is_spent_and_what_is_stale(project: Shell) -> None:
    refused = run_of(project, "try", "--protect", "a.txt", "--", "rm a.txt", code=2)
    assert "WG622" in project("commit", refused, code=2).err
    done = run_of(project, "try", "--", "rm b.txt")
    project("commit", done)
    (project.root / "b.txt").write_text("two")
    assert "WG725" in project("commit", done, code=2).err
    stale = run_of(project, "try", "--", "rm a.txt")
    (project.root / "a.txt").write_text("another")
    error = project("commit", stale, code=2).err
    assert "WG601" in error
    assert "a.txt" in error
    assert (project.root / "a.txt").read_text() == "another"


def test_undo_refuses_what_was_never_committed_and_what_has_changed_since(project: Shell) -> None:
    run = run_of(project, "try", "--", "echo three > a.txt")
    assert "WG623" in project("undo", run, code=1).err
    project("commit", run)
    (project.root / "a.txt").write_text("somebody else")
    assert "WG601" in project("undo", run, code=2).err
    assert (project.root / "a.txt").read_text() == "somebody else"


def test_undo_is_judged_under_another_policy_when_one_is_given(project: Shell) -> None:
    run = run_of(project, "try", "--", "touch made")
    project("commit", run)
    policy = project.home / "policy.yaml"
    policy.write_text("version: 1\nlimits: {deleted: 0}\n")
    assert "WG430" in project("undo", "--policy", str(policy), run, code=2).out
    assert "made" in project.names()


def test_unknown_and_short_ids_are_errors(project: Shell) -> None:
    project("init")
    for command, run in (("commit", ""), ("undo", "abc"), ("show", "0123456789ab"), ("explain", "../../etc")):
        assert "WG331" in project(command, run, code=1).err


# --- show, explain, log, verify --------------------------------------------------------------------


def test_show_and_explain_tell_all_of_a_run(project: Shell) -> None:
    run = run_of(project, "try", "--protect", "d/", "--", "rm -r d; seq 30", code=2)
    shown = project("show", run).lines
    assert "  - d/x.txt" in shown
    assert "  | 30" in shown
    assert shown[-1].endswith("Z  refused")
    explained = project("explain", run).lines
    assert explained[0] == f"rejected at stage transitions  run {run[:12]}"
    assert "because of protect: d/ (WG420)" in explained
    assert any(line.startswith("  policy given") for line in explained)
    assert project("explain", run, "--json").json["decision"]["verdict"] == "reject"
    assert set(project("show", run, "--json").json) == {"run", "decision", "trajectory", "deltas", "history"}


def test_log_and_verify_tell_what_is_on_record(project: Shell) -> None:
    run = run_of(project, "try", "--commit", "--", "rm a.txt")
    kinds = [record["kind"] for record in project("log", "--json").json]
    assert kinds == ["opened", "simulated", "approved", "spent", "started", "committed"]
    assert [line.split()[2] for line in project("log").lines] == ["opened", "simulated", "committed"]
    assert [line.split()[2] for line in project("log", "--all").lines] == kinds
    assert project("log", "-n", "1").lines == [
        f"   6  {project('log', '--json').json[-1]['at'][:19]}Z  committed  {run[:12]}"
    ]
    assert project("verify").lines == ["whole: 6 records, 1 runs executed again"]
    assert project("verify", "--fast", "--json").json["executed"] == 0
    document = project.root / ".worldgate" / "runs" / run / "decision.json"
    document.write_text(document.read_text().replace("a.txt", "b.txt"))
    damaged = project("verify", code=2)
    assert "decision.json is not the document that record 2 names" in damaged.out
    assert project("verify", "--json", code=2).json["problems"]


# --- worlds, demo, the program itself --------------------------------------------------------------


def test_worlds_are_listed_and_checked(worldgate: Shell) -> None:
    names = [row["name"] for row in worldgate("world", "list", "--json").json]
    assert names == [line.split()[0] for line in worldgate("world", "list").lines]
    assert {"filesystem", "support-desk", "robot-cell"} <= set(names)
    checked = worldgate("world", "check", "robot-cell", "--seeds", "1", "--steps", "20")
    assert checked.out.endswith("it keeps the contract\n")
    assert "WG202" in worldgate("world", "check", "nosuch", code=1).err


def test_a_declared_world_is_a_workspace_like_any_other(worldgate: Shell) -> None:
    assert worldgate("init", "--world", "support-desk", "--json").json["world"] == "support-desk"
    examples = Path(__file__).parents[2] / "examples" / "declared" / "support-desk"
    good = worldgate("plan", str(examples / "good" / "answer-and-refund.yaml"), "--json").json
    worldgate("commit", good["run"])
    worldgate("plan", str(examples / "hostile" / "refund-above-the-payment.yaml"), code=2)
    assert good["decision"]["cannot_be_undone"]
    worldgate("undo", good["run"], code=2)
    assert worldgate("verify").out.startswith("whole: ")
    assert "WG233" in worldgate("try", "--", "true", code=1).err


def test_a_world_file_is_a_workspace_too(worldgate: Shell) -> None:
    lamp = worldgate.home / "lamp.yaml"
    lamp.write_text(
        'world: lamp\nversion: "1"\nvalues: {lit: bool}\nstart: {lit: false}\nactions:\n'
        '  light: {requires: ["!lit()"], effects: {lit(): true}, undo: quench()}\n'
        '  quench: {requires: ["lit()"], effects: {lit(): false}, undo: light()}\n'
    )
    worldgate("init", "--world", str(lamp))
    lamp.unlink()
    run = worldgate("plan", "-", "--json", stdin="['light()']").json["run"]
    worldgate("commit", run)
    assert "WG266" in worldgate("plan", "-", stdin="['light()']", code=2).out
    worldgate("undo", run)
    worldgate("plan", "-", stdin="['light()']")
    assert worldgate("verify").out.startswith("whole: ")


def test_demo_knows_its_incidents_by_name(worldgate: Shell) -> None:
    assert "WG911" in worldgate("demo", "unheard-of", code=1).err


def test_help_and_version(worldgate: Shell) -> None:
    assert "Usage: worldgate" in worldgate("--help").out
    assert worldgate("--version").out.startswith("worldgate ")
    said = subprocess.check_output([sys.executable, "-m", "worldgate", "--version"], text=True)
    assert said == worldgate("--version").out
    assert "WG902" in worldgate("nosuch", code=1).err
    assert "WG902" in worldgate("commit", code=1).err
    assert json.loads(worldgate("commit", "--json", code=1).out)["error"]["number"] == "WG902"
