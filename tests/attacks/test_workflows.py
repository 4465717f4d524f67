"""Something that a workflow runs, an action or a dependency, reaches for the key or the repository."""

import re

import pytest
import yaml

from tests.conftest import ROOT

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted(FOLDER.glob("*.y*ml"))
}
USES_SECRET = re.compile(r"\$\{\{(.*?secrets\..*?)\}\}")

every_workflow = pytest.mark.parametrize("name", WORKFLOWS)


def _jobs(name: str) -> list[dict]:
    return list(WORKFLOWS[name]["jobs"].values())


def _steps(name: str) -> list[dict]:
    return [step for job in _jobs(name) for step in job["steps"]]


def _secrets(part: object) -> list[str]:
    """Return the expressions that hold a secret, less those that only ask whether it is there."""
    found = [match.strip() for match in USES_SECRET.findall(str(part).replace('"', "'"))]
    return [each for each in found if not re.fullmatch(r"secrets\.\w+ != \\?'\\?'", each)]


def test_there_are_workflows():
    assert set(WORKFLOWS) == {"live", "test"}


@every_workflow
def test_a_workflow_may_only_read_the_repository(name: str):
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}
    assert [job for job in _jobs(name) if "permissions" in job] == []


@every_workflow
def test_checkout_leaves_no_token_behind(name: str):
    checkouts = [
        step for step in _steps(name) if step.get("uses", "").startswith("actions/checkout@")
    ]
    assert checkouts
    assert [step["with"]["persist-credentials"] for step in checkouts] == [False] * len(checkouts)


@every_workflow
def test_actions_are_named_by_commit(name: str):
    used = [step["uses"] for step in _steps(name) if "uses" in step]
    assert used
    assert [use for use in used if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", use)] == []


@every_workflow
def test_a_secret_is_in_reach_of_the_notebooks_alone(name: str):
    around = {**WORKFLOWS[name], "jobs": None}
    jobs = [{**job, "steps": None} for job in _jobs(name)]
    assert _secrets([around, jobs]) == []
    holders = [step["run"] for step in _steps(name) if _secrets(step)]
    assert holders == (["make test-live"] if name == "live" else [])


def test_the_live_notebooks_run_only_with_a_key():
    (job,) = _jobs("live")
    assert job["env"]["HAS_KEY"] == "${{ secrets.OPENAI_API_KEY != '' }}"
    assert {step["if"] for step in job["steps"]} == {"env.HAS_KEY == 'true'"}


@every_workflow
def test_nobodys_pull_request_runs_with_our_rights(name: str):
    # YAML reads the word "on" as a truth value.
    assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(WORKFLOWS[name][True])


@every_workflow
def test_no_shell_line_is_built_from_what_somebody_wrote(name: str):
    assert [step["run"] for step in _steps(name) if "${{" in step.get("run", "")] == []
