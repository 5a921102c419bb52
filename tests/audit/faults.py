"""The faults that are planted: clean rows, ways to spoil them, and the catalogue."""

import copy
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.audit.made import SYSTEM, answers, postings, write_suites
from tests.tiny import BOS, CHAT_TEMPLATE, EOS

__all__ = ["CLEAN", "FAULTS", "REFUSED", "Fault"]

REFUSED = "refused"
"""Instead of a kind: the audit ends with one line and exit code 2."""
N = 60
"""Clean rows before a fault is planted; the first new row is number 61."""
Rows = list[Any]
Plant = Callable[[Rows], Rows]


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: what is wrong.
        kind: of the finding that must name `rows`, or `REFUSED`.
        plant: makes faulty rows of clean ones.
        rows: numbers that one finding of the kind must have among its rows; empty for the file as a whole.
        how: what must have matched; empty for anything.
        clean: which clean rows it starts from.
        request: changes of the request: a template instead of the tiny base's, `max_length`, another split ...
    """

    name: str
    kind: str
    plant: Plant
    rows: tuple[int, ...] = (N + 1,)
    how: str = ""
    clean: str = "postings"
    request: dict[str, Any] = field(default_factory=dict)


CLEAN: dict[str, Callable[[], Rows]] = {
    "postings": lambda: copy.deepcopy(list(postings(N))),
    "answers": lambda: answers(N),
}


def add(*rows: Any) -> Plant:
    """The clean rows, and these after them."""
    return lambda clean: [*clean, *rows]


def again(change: Callable[[dict[str, Any]], Any], row: int = 5) -> Plant:
    """The clean rows, and a changed copy of one of them."""
    return lambda clean: [*clean, change(copy.deepcopy(clean[row - 1]))]


def instead(change: Callable[[dict[str, Any]], Any], row: int = 5) -> Plant:
    """The clean rows with one of them changed."""
    return lambda clean: [change(copy.deepcopy(each)) if index == row - 1 else each for index, each in enumerate(clean)]


def asked(change: Callable[[str], str]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A row with its question changed."""
    return lambda row: row | {"input": change(row["input"])}


def said(change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A row with its answer changed."""
    return lambda row: row | {"output": change(row["output"])}


def leaked(change: Callable[[str], str], output: Any = None) -> Plant:
    """The clean rows, and a posting of the suite with its question changed."""
    row = postings(40, "test")[7]
    return add({"input": change(row["input"]), "output": output or row["output"]})


def wide(text: str) -> str:
    """Full-width letters, as East Asian keyboards write them."""
    return "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in text)


def without(text: str, *places: int) -> str:
    """The text with some of its words replaced by another one."""
    return " ".join("somewhat" if index in places else word for index, word in enumerate(text.split()))


def chat_of(row: dict[str, Any], *before: dict[str, str]) -> dict[str, Any]:
    """The row in the form of chat messages."""
    text = row["output"] if isinstance(row["output"], str) else json.dumps(row["output"], ensure_ascii=False)
    return {"messages": [*before, {"role": "user", "content": row["input"]}, {"role": "assistant", "content": text}]}


def with_system(text: str, row: int = 5) -> Plant:
    """All rows as chats with the suites' system turn, one of them with another."""

    def plant(clean: Rows) -> Rows:
        texts = [text if number == row else SYSTEM for number in range(1, len(clean) + 1)]
        return [chat_of(each, {"role": "system", "content": own}) for each, own in zip(clean, texts, strict=True)]

    return plant


def template(text: str) -> dict[str, Any]:
    """A request whose base has this chat template."""
    return {"template": text}


TEST = postings(40, "test")
LONG = TEST[7]["input"]
FACT = "Which of these was left behind when"
ANSWER_AS_TEXT = {
    "prose instead of JSON": lambda out: f"The job is {out['title']} at {out['company']}.",
    "JSON that is cut off": lambda out: json.dumps(out)[:-9],
    "JSON in a code fence": lambda out: f"```json\n{json.dumps(out)}\n```",
    "text after the JSON": lambda out: f"{json.dumps(out)} I hope this helps!",
    "a key twice in the answer": lambda out: json.dumps(out)[:-1] + ', "title": "Other"}',
    "a Python dictionary": str,
    "NaN in the answer's text": lambda out: json.dumps(out | {"remote": float("nan")}),
}
WRONG_OBJECTS = {
    "a field is missing": lambda out: {key: out[key] for key in ("title", "company", "remote")},
    "a field too many": lambda out: out | {"salary": "60k"},
    "a truth value as text": lambda out: out | {"remote": "yes"},
    "a number for a text": lambda out: out | {"title": 7},
    "an empty title": lambda out: out | {"title": ""},
    "a misspelled key": lambda out: {("job_title" if key == "title" else key): value for key, value in out.items()},
    "a list around the object": lambda out: [out],
}
BAD_LINES = {
    "a blank line": "",
    "NaN as a value": '{"input": "a", "output": NaN}',
    "a number beyond all": '{"input": "a", "output": 1e999}',
    "no answer key": '{"input": "a"}',
    "an unknown key": '{"input": "a", "output": "b", "lable": "c"}',
    "a line that is cut off": '{"input": "a", "outp',
    "a key twice": '{"input": "a", "output": "b", "output": "c"}',
    "a list as row": '["a", "b"]',
    "a number as question": '{"input": 3, "output": "b"}',
    "half a character": '{"input": "a \\ud800", "output": "b"}',
    "an answer is missing": '{"conversations": [{"from": "gpt", "value": "a"}, {"from": "human", "value": "b"}]}',
    "an unknown role": '{"messages": [{"role": "bot", "content": "a"}, {"role": "assistant", "content": "b"}]}',
    "tags that are no list": '{"input": "a", "output": "b", "tags": "easy"}',
    "two rows on one line": '{"input": "a", "output": "b"}{"input": "c", "output": "d"}',
    "single quotes": "{'input': 'a', 'output': 'b'}",
}
SPECIAL = {
    "an end token in the answer": said(lambda out: f"{out} {EOS}"),
    "a begin token in the question": asked(lambda t: BOS + t),
}


def fact() -> str:
    """A question of the knowledge suite."""
    with tempfile.TemporaryDirectory() as folder:
        write_suites(Path(folder))
        return (Path(folder) / "facts.csv").read_text().splitlines()[5].split(",")[1]


FAULTS = (
    Fault("a row twice", "duplicate", again(dict), (5, N + 1), "exact"),
    Fault("a row three times", "duplicate", lambda rows: [*rows, rows[4], rows[4]], (5, N + 1, N + 2), "exact"),
    Fault("a row twice in two forms", "duplicate", again(chat_of), (5, N + 1), "exact"),
    Fault(
        "a row twice, keys in another order",
        "duplicate",
        again(said(lambda o: dict(reversed(o.items())))),
        (5, N + 1),
        "normalised",
    ),
    Fault("a row twice, in capitals", "duplicate", again(asked(str.upper)), (5, N + 1), "normalised"),
    Fault(
        "a row twice, other spaces", "duplicate", again(asked(lambda t: t.replace(" ", "  "))), (5, N + 1), "normalised"
    ),
    Fault("a row twice, full-width letters", "duplicate", again(asked(wide)), (5, N + 1), "normalised"),
    Fault(
        "a row twice, an invisible character",
        "duplicate",
        again(asked(lambda t: t[:9] + "\u200b" + t[9:])),
        (5, N + 1),
        "normalised",
    ),
    Fault("a word changed", "near_duplicate", again(asked(lambda t: without(t, 9))), (5, N + 1)),
    Fault("punctuation added", "near_duplicate", again(asked(lambda t: f"{t}!!")), (5, N + 1)),
    Fault(
        "one row with ten numbers",
        "near_duplicate",
        lambda rows: [*rows, *(rows[4] | {"input": f"{rows[4]['input']} Ref {n}."} for n in range(10, 20))],
        (N + 1, N + 2, N + 10),
    ),
    Fault("another label", "conflict", again(said(lambda o: o | {"remote": not o["remote"]})), (5, N + 1), "exact"),
    Fault(
        "another answer in words",
        "conflict",
        again(said(lambda _: "Nobody knows why that was done.")),
        (5, N + 1),
        clean="answers",
    ),
    Fault(
        "another label, in capitals",
        "conflict",
        again(lambda r: r | {"input": r["input"].upper(), "output": r["output"] | {"title": "Cook"}}),
        (5, N + 1),
        "normalised",
    ),
    Fault(
        "three labels",
        "conflict",
        lambda rows: [
            *rows,
            *(rows[4] | {"output": rows[4]["output"] | {"title": title}} for title in ("Cook", "Baker")),
        ],
        (5, N + 1, N + 2),
    ),
    Fault("a test row", "leak", leaked(str), how="exact"),
    Fault(
        "a test question, labelled otherwise",
        "leak",
        leaked(str, postings(N)[0]["output"] | {"title": "Cook"}),
        how="exact",
    ),
    Fault("a test question in capitals", "leak", leaked(str.upper), how="normalised"),
    Fault("a test question, other spaces", "leak", leaked(lambda t: f"  {t}\n"), how="normalised"),
    Fault("a test question, full-width letters", "leak", leaked(wide), how="normalised"),
    Fault(
        "a test question after an instruction",
        "leak",
        leaked(lambda t: f"Read this and answer in JSON: {t}"),
        how="ngram",
    ),
    Fault(
        "a test question before a question",
        "leak",
        leaked(lambda t: f"{t}\nWhat is on offer here, and where?"),
        how="ngram",
    ),
    Fault(
        "a test question inside a long text",
        "leak",
        leaked(
            lambda t: f"{' '.join(r['input'] for r in postings(9, seed=8)[:4])} {t} {postings(9, seed=8)[5]['input']}"
        ),
        how="ngram",
    ),
    Fault(
        "a test question without punctuation",
        "leak",
        leaked(lambda t: t.replace(",", "").replace(".", "")),
        how="ngram",
    ),
    Fault("a test question, a word changed", "leak", leaked(lambda t: without(t, 4))),
    Fault("a test question, two words changed", "leak", leaked(lambda t: without(t, 4, 16))),
    Fault("two thirds of a test question", "leak", leaked(lambda t: t[: len(t) * 2 // 3])),
    Fault(
        "a test answer to another question",
        "leak",
        add({"input": "Who is wanted, and where do they work from?", "output": TEST[7]["output"]}),
        how="exact",
    ),
    Fault("a test row as a chat", "leak", add(chat_of(TEST[7])), how="exact"),
    Fault(
        "a test row as ShareGPT",
        "leak",
        add({"conversations": [{"from": "human", "value": LONG}, {"from": "gpt", "value": "x"}]}),
    ),
    Fault(
        "a test question in an earlier turn",
        "leak",
        add(
            chat_of(
                {"input": "And what is the pay?", "output": "Not said."},
                {"role": "user", "content": LONG},
                {"role": "assistant", "content": "A job."},
            )
        ),
        how="ngram",
    ),
    Fault(
        "a question of the knowledge suite, without its options",
        "leak",
        lambda rows: [*rows, {"input": fact(), "output": "the ladder"}],
    ),
    Fault(
        "a short test prompt after a greeting",
        "leak",
        add({"input": "Hello! Spell anchor backwards please.", "output": "rohcna"}),
    ),
    Fault("a short test prompt", "leak", add({"input": "spell Anchor backwards, please", "output": "rohcna"})),
    Fault("a row of the other split", "leak", again(dict, 60), (N + 1,), "exact", request={"split": [59]}),
    Fault(
        "a group on both sides",
        "group",
        instead(lambda r: r | {"cluster": "acme"}),
        (5,),
        request={"split_cluster": "acme"},
    ),
    *(
        Fault(name, "schema", instead(said(change)), (5,))
        for name, change in {**WRONG_OBJECTS, **ANSWER_AS_TEXT}.items()
    ),
    Fault("an empty answer", "empty", instead(said(lambda _: "")), (5,)),
    Fault("an answer of spaces", "empty", instead(said(lambda _: "   ")), (5,)),
    Fault("null for an answer", "empty", instead(said(lambda _: None)), (5,)),
    Fault("an answer that cannot be seen", "empty", instead(said(lambda _: "\u200b\ufeff")), (5,)),
    Fault("an object without a key", "empty", instead(said(lambda _: {})), (5,)),
    Fault("an empty question", "empty", instead(asked(lambda _: " \n")), (5,)),
    *(Fault(name, "malformed", add(line)) for name, line in BAD_LINES.items()),
    Fault("a byte order mark", "malformed", lambda rows: ["\ufeff" + json.dumps(rows[0]), *rows[1:]], (1,), "bom"),
    Fault(
        "a ragged table",
        "malformed",
        lambda _: ["input,output", *(f"question {n},answer {n}" for n in range(30)), "one cell"],
        (31,),
        request={"suffix": ".csv"},
    ),
    Fault("nan from an export", "placeholder", instead(said(lambda _: "nan")), (5,), clean="answers"),
    Fault("None as a title", "placeholder", instead(said(lambda o: o | {"title": "None"})), (5,)),
    Fault("a drifted system turn", "prompt", with_system(SYSTEM.replace("one JSON object", "a JSON object")), (5,)),
    Fault("a system turn with a line break more", "prompt", with_system(f"{SYSTEM}\n"), (5,)),
    Fault(
        "a template with two begin tokens",
        "template",
        list,
        (1,),
        request=template("{{ '<|begin|>' }}" + CHAT_TEMPLATE),
    ),
    Fault(
        "a template that writes the prompt otherwise before an answer",
        "template",
        list,
        (1,),
        request=template("{{ messages | length }}" + CHAT_TEMPLATE),
    ),
    Fault(
        "a template that cuts answers",
        "template",
        list,
        (1,),
        request=template(
            CHAT_TEMPLATE.replace("{% generation %}{{ message['content']", "{% generation %}{{ message['content'][:20]")
        ),
    ),
    Fault(
        "a template without the system turn's role",
        REFUSED,
        with_system(SYSTEM),
        (1,),
        request=template(
            "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}" + CHAT_TEMPLATE
        ),
    ),
    *(Fault(name, "special", instead(change), (5,)) for name, change in SPECIAL.items()),
    Fault("a row beyond max_length", "truncated", instead(asked(lambda t: t * 8)), (5,), request={"max_length": 900}),
    Fault("an endless answer", "outlier", instead(said(lambda t: t * 30)), (5,), "answer", "answers"),
    Fault("an endless question", "outlier", instead(asked(lambda t: t * 30)), (5,), "question"),
    Fault(
        "an answer that stops in the middle",
        "cut_off",
        instead(said(lambda t: t[: len(t) // 2].rstrip(".") + " and")),
        (5,),
        clean="answers",
    ),
    Fault("an answer of one word", "one_word", instead(said(lambda _: "Because.")), (5,), clean="answers"),
    Fault(
        "nearly one tag only",
        "imbalance",
        lambda rows: [row | {"tags": ["easy" if n else "hard"]} for n, row in enumerate(rows)],
        (),
    ),
    Fault(
        "questions that are shorter than in production",
        "drift",
        list,
        (),
        request={"production": lambda rows: [{"input": row["input"] * 3} for row in rows]},
    ),
    Fault(
        "rows of the test's own source",
        "provenance",
        instead(lambda r: r | {"provenance": "generator 3"}),
        (5,),
        request={"split_provenance": "generator 3"},
    ),
)
