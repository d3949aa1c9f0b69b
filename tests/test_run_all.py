"""What `make test` says at its end: how many tests were not run and why, over all that it started."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import run_all
from tests.left_out import ENDURANCE, FILE, ONLY_ROOT, LeftOut, in_words, read

ROOT = Path(__file__).parents[1]
STORY = """
import pytest
@pytest.mark.skip(reason="there is no /dev/kvm")
def test_skipped(): pass
@pytest.mark.root
def test_of_root(): pass
@pytest.mark.endurance
def test_long(): pass
def test_run(): pass
"""


def as_ordinary_user() -> list[str]:
    return ["unshare", "--user", "--map-user=1000"] if os.geteuid() == 0 else []


def test_a_run_of_pytest_tells_what_it_left_out_and_why(tmp_path: Path) -> None:
    (tmp_path / "test_story.py").write_text(STORY)
    file = tmp_path / "left-out"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", "-c"]
    command += [str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), "-m", "not endurance"]
    done = subprocess.run(
        [*as_ordinary_user(), *command, str(tmp_path / "test_story.py")],
        cwd=ROOT,
        env={**os.environ, FILE: str(file), "PYTEST_XDIST_WORKER": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed, 2 skipped, 1 deselected" in done.stdout, done.stdout + done.stderr
    assert {(each.test.rpartition("::")[2], each.reason) for each in read(file)} == {
        ("test_skipped", "there is no /dev/kvm"),
        ("test_of_root", ONLY_ROOT),
        ("test_long", ENDURANCE),
    }


def test_the_last_line_counts_by_reason() -> None:
    assert in_words([]) == "Everything was run."
    left_out = [LeftOut("a", ENDURANCE), LeftOut("b", "no /dev/kvm"), LeftOut("c", ENDURANCE)]
    assert in_words(left_out) == f"Not run: 3 tests: 2 ({ENDURANCE}); 1 (no /dev/kvm)"


def test_what_root_has_run_is_not_left_out_any_more() -> None:
    before = [LeftOut("a", ONLY_ROOT), LeftOut("b", ONLY_ROOT), LeftOut("c", ENDURANCE), LeftOut("d", "no fuse")]
    of_root = [LeftOut("b", "no /dev/kvm"), LeftOut("c", ENDURANCE)]
    assert run_all.after_root(before, of_root) == [
        LeftOut("d", "no fuse"),
        LeftOut("b", "no /dev/kvm"),
        LeftOut("c", ENDURANCE),
    ]


def test_a_part_that_fails_fails_all_and_the_rest_is_still_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []

    def run(words: list[str], file: Path) -> int:
        ran.append(words[words.index("-m") + 1])
        with file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps([ran[-1], ONLY_ROOT]) + "\n")
        return 1 if len(ran) == 1 else 0

    monkeypatch.setattr(run_all, "_run", run)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(run_all, "may_use_sudo", lambda: False)
    assert run_all.main([]) == 1
    assert ran == ["not image and not vm and not endurance", "(image or vm) and not endurance"]
    assert capsys.readouterr().out.splitlines()[-1] == f"Not run: 2 tests: 2 ({ONLY_ROOT})"
