"""Four-choice questions: every row is checked, and prompts equal those of lm-eval's own mmlu task."""

import os
from pathlib import Path

import pytest

from harness.errors import BadExamples, BadSpec
from harness.questions import Question, Questions, examples, mc_csv, mmlu_dir, mmlu_hub

HEADER = "question,choice0,choice1,choice2,choice3,answer\n"
OWN_HEADER = f"subject,{HEADER}"


@pytest.fixture
def folder(tmp_path):
    """An MMLU folder: one subject in the form with header, one in the original form."""
    for part in ("dev", "test"):
        (tmp_path / part).mkdir()
        (tmp_path / part / f"world_facts_{part}.csv").write_text(f'{HEADER}Big {part}?,a,b,"c, or c",d,2\n')
        (tmp_path / part / f"anatomy_{part}.csv").write_text(f'"Bone\n{part}?",w,x,y,z,D\n')
    return tmp_path


def test_both_forms_of_mmlu_files_are_read(folder):
    """With header and index, or without header and with a letter; cells may hold commas and line breaks."""
    questions = mmlu_dir(folder).read()
    assert questions.test == (
        Question("anatomy", "Bone\ntest?", ("w", "x", "y", "z"), 3),
        Question("world_facts", "Big test?", ("a", "b", "c, or c", "d"), 2),
    )
    assert questions.shots["anatomy"] == [Question("anatomy", "Bone\ndev?", ("w", "x", "y", "z"), 3)]


def test_a_prompt_is_description_worked_examples_and_question(folder):
    """The whole prompt, written out once."""
    assert [example.input for example in examples(mmlu_dir(folder).read(), fewshot=1)][1] == (
        "The following are multiple choice questions (with answers) about world facts.\n\n"
        "Big dev?\nA. a\nB. b\nC. c, or c\nD. d\nAnswer: C\n\n"
        "Big test?\nA. a\nB. b\nC. c, or c\nD. d\nAnswer:"
    )


def test_an_example_carries_letter_subject_and_an_id_that_ignores_the_prompt(folder):
    """Worked examples change what is asked, not which row it is."""
    zero, one = (examples(mmlu_dir(folder).read(), fewshot=count) for count in (0, 1))
    assert [(example.target, example.tags) for example in zero] == [("D", ("anatomy",)), ("C", ("world_facts",))]
    assert [example.id for example in zero] == [example.id for example in one]
    assert zero[0].input != one[0].input


def test_repeated_rows_are_told_apart_and_share_a_cluster(tmp_path):
    """A repetition counts as a row, and the interval knows that it is no independent one."""
    path = tmp_path / "own.csv"
    path.write_text(OWN_HEADER + "s,q?,a,b,c,d,0\n" * 3 + "s,q?,a,b,c,d,1\n")
    made = examples(mc_csv(path).read(), fewshot=0)
    assert [example.id for example in made[:3]] == [made[0].id, f"{made[0].id}-2", f"{made[0].id}-3"]
    assert [example.cluster for example in made[:3]] == [made[0].id] * 3
    assert made[3].cluster != made[0].cluster


def test_own_questions_take_worked_examples_from_a_second_file(tmp_path):
    """They are chosen by subject."""
    (tmp_path / "own.csv").write_text(OWN_HEADER + "s,q?,a,b,c,d,0\n")
    (tmp_path / "shots.csv").write_text(OWN_HEADER + "s,p?,a,b,c,d,1\nt,r?,a,b,c,d,1\n")
    source = mc_csv(tmp_path / "own.csv", shots=tmp_path / "shots.csv")
    assert "p?" in examples(source.read(), fewshot=1)[0].input
    with pytest.raises(BadSpec, match="'s' has 1 worked examples, 2 are asked for"):
        examples(source.read(), fewshot=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"own\.csv:1: holds no questions"),
        (OWN_HEADER, r"own\.csv:1: holds no questions"),
        ("s,q?,a,b,c,d,0\n", r"own\.csv:1: the header must be subject,question"),
        (OWN_HEADER + "s,q?,a,b,c,d,0\ns,q?,a,b,c,0\n", r"own\.csv:3: 5 cells"),
        (OWN_HEADER + "s,q?,a,b,c,d,0,\n", r"own\.csv:2: 7 cells"),
        (OWN_HEADER + "s,q?,a,b,c,d,4\n", r"own\.csv:2: the answer is '4'"),
        (OWN_HEADER + "s,q?,a,b,c,d,\n", r"own\.csv:2: the answer is ''"),
        (OWN_HEADER + "s,q?,a,b,c,d,AB\n", r"own\.csv:2: the answer is 'AB'"),
        (OWN_HEADER + "s,q?,a, ,c,d,1\n", r"own\.csv:2: subject, question and options must not be blank"),
        (OWN_HEADER + '"s\nt",q?,a,b,c,d,9\n', r"own\.csv:3: the answer is '9'"),
        (OWN_HEADER + 's,"q"?,a,b,c,d,1\n', r"own\.csv:2: not CSV"),
    ],
)
def test_malformed_rows_are_named_by_file_and_line(tmp_path, text, message):
    """Zero malformed rows are tolerated; each is told where it is."""
    path = tmp_path / "own.csv"
    path.write_text(text)
    with pytest.raises(BadExamples, match=message):
        mc_csv(path).read()


def test_missing_files_and_folders_are_named(tmp_path):
    """A wrong path is no empty suite."""
    with pytest.raises(BadExamples, match=r"none\.csv: cannot be read"):
        mc_csv(tmp_path / "none.csv").read()
    with pytest.raises(BadExamples, match=r"test: holds no \*\.csv"):
        mmlu_dir(tmp_path).read()


@pytest.mark.parametrize("revision", ["main", "c30699e", "C" * 40, ""])
def test_the_hub_is_only_read_at_a_full_commit(revision):
    """A branch can move, and then two runs would not be of the same questions."""
    with pytest.raises(BadSpec, match="40 hex digits"):
        mmlu_hub(revision)


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch):
    """The message says what to do instead."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BadExamples, match="--mmlu-dir") as caught:
        mmlu_hub("c" * 40).read()
    assert "\n" not in str(caught.value)


def _own_task(leaf):
    """The configuration of one of lm-eval's mmlu tasks, its template included."""
    import yaml

    template = yaml.safe_load((leaf.parent / "_default_template_yaml").read_text())
    return template | yaml.safe_load(leaf.read_text())


@pytest.fixture(scope="module")
def mmlu_tasks():
    """The folder of lm-eval's mmlu tasks."""
    import lm_eval

    return Path(lm_eval.__file__).parent / "tasks" / "mmlu" / "default"


def test_descriptions_equal_those_of_lm_eval(mmlu_tasks):
    """All 57 subjects, as the installed lm-eval words them."""
    leaves = [_own_task(leaf) for leaf in mmlu_tasks.glob("mmlu_*.yaml")]
    subjects = [leaf for leaf in leaves if "dataset_name" in leaf]
    assert len(subjects) == 57
    for leaf in subjects:
        question = Question(leaf["dataset_name"], "q", ("a", "b", "c", "d"), 0)
        assert examples(Questions((question,)), 0)[0].input.startswith(leaf["description"])


def test_prompts_equal_those_of_lm_eval(mmlu_tasks):
    """With two worked examples, letter by letter, as lm-eval's own anatomy task renders them."""
    import datasets
    from lm_eval.tasks import TaskManager

    rows = [Question("anatomy", f" What is bone {i}? ", (f"a{i}", "b ", " c", "d,"), i % 4) for i in range(4)]
    table = {
        "question": [row.text for row in rows],
        "choices": [list(row.options) for row in rows],
        "answer": [row.answer for row in rows],
    }
    whole = datasets.Dataset.from_dict(table)
    config = _own_task(mmlu_tasks / "mmlu_anatomy.yaml")
    for key in ("include", "dataset_path", "dataset_name", "tag"):
        config.pop(key, None)
    config["custom_dataset"] = lambda **_options: {"test": whole, "dev": whole}
    task = TaskManager(include_defaults=False).load([config])["tasks"]["mmlu_anatomy"]
    task.set_config(key="num_fewshot", value=2)
    task.build_all_requests(rank=0, world_size=1)
    theirs = [request.args for request in task.instances]
    ours = examples(Questions(tuple(rows), {"anatomy": rows}), fewshot=2)
    assert theirs == [(example.input, f" {letter}") for example in ours for letter in "ABCD"]


def test_the_published_mmlu_is_read_whole():
    """Set TUNEGATE_DATA to a folder with mmlu/dev and mmlu/test to read the real files."""
    home = os.environ.get("TUNEGATE_DATA")
    if not home:
        pytest.skip("TUNEGATE_DATA is not set: the real MMLU files are not part of the project")
    made = examples(mmlu_dir(Path(home) / "mmlu").read(), fewshot=5)
    assert len(made) > 5000
    assert len({example.id for example in made}) == len(made)
    assert 0 < len(made) - len({example.cluster for example in made}) < len(made) / 100
