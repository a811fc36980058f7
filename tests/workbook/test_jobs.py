import pytest

from helpers.workbook import jobs


@pytest.mark.parametrize(
    ("errors", "raised", "tries"),
    [
        ([RuntimeError("Kernel died before replying to kernel_info")], None, 2),
        ([RuntimeError("Kernel died before replying to kernel_info")] * 2, "before replying", 2),
        ([RuntimeError("Kernel died")], "^Kernel died$", 1),
    ],
)
def test_a_kernel_that_dies_at_its_start_is_started_once_more(errors, raised, tries, monkeypatch, tmp_path):
    asked = []

    def execute(notebook, copy, parameters, **options):
        asked.append((notebook, copy, parameters))
        if len(asked) <= len(errors):
            raise errors[len(asked) - 1]

    monkeypatch.setattr(jobs.papermill, "execute_notebook", execute)
    if raised:
        with pytest.raises(RuntimeError, match=raised):
            jobs._execute("01_some", tmp_path / "copy.ipynb", {"seed": 1})
    else:
        jobs._execute("01_some", tmp_path / "copy.ipynb", {"seed": 1})
    assert len(asked) == tries
    assert asked[-1][2] == {"seed": 1}
