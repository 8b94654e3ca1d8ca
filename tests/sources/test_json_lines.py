"""Rows of one's own: columns, bad rows, leaks, what is shown, and what only the teacher reads."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm_eval_tasks.errors import UserError
from lm_eval_tasks.prompting.context import Context, Document, read_document, read_instruction
from lm_eval_tasks.prompting.demonstrations import MODES
from lm_eval_tasks.sources.json_lines import open_json_lines, read_episodes
from lm_eval_tasks.sources.row_format import parse_row, to_row

USER = {"role": "user", "content": "Three apples for Anna."}
CHAT = [
    {"role": "system", "content": "You take orders."}, USER,
    {"role": "assistant", "content": "Which kind?"}, {"role": "user", "content": "Red ones."},
]  # fmt: skip
TOOL = {"type": "function", "function": {"name": "order", "parameters": {"type": "object", "properties": {}}}}
CALL = [
    USER,
    {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {}}}]},
    {"role": "tool", "content": "ordered"},
]  # fmt: skip


@pytest.fixture
def write(tmp_path):
    """`write(name, rows)`: a file of JSON lines; a row may be text, as it stands in the file."""

    def run(name, rows):
        path = tmp_path / name
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return run


@pytest.fixture
def read(write):
    return lambda *rows: read_episodes(write("rows.jsonl", rows), "orders")


class TestColumns:
    def test_text_is_one_user_turn(self, read):
        (row,) = read({"prompt": "Hi", "completion": "Ho"})
        assert (row.source, row.id, row.prompt, row.question) == (
            "orders", "0", ({"role": "user", "content": "Hi"},), "Hi",
        )  # fmt: skip
        assert (row.completion, row.reference) == ("Ho", {"target": "Ho"})
        assert row.teacher_prompt is row.privileged is row.tools is None

    def test_a_conversation_stays_one(self, read):
        (row,) = read({"prompt": CHAT, "completion": [{"role": "assistant", "content": "Noted."}]})
        assert row.prompt == tuple(CHAT)
        assert row.question == "Three apples for Anna.\n\nWhich kind?\n\nRed ones."
        assert row.completion == "Noted."

    def test_the_system_text_comes_first_in_both_views(self, read):
        (row,) = read({"system": "Be brief.", "prompt": "Hi", "teacher_prompt": "Hi. Say Ho."})
        first = {"role": "system", "content": "Be brief."}
        assert row.prompt[0] == row.teacher_prompt[0] == first
        assert row.teacher_prompt[1]["content"] == "Hi. Say Ho."

    def test_a_teachers_own_system_turn_wins(self, read):
        (row,) = read({"system": "Be brief.", "prompt": "Hi", "teacher_prompt": CHAT})
        assert row.teacher_prompt == tuple(CHAT)

    def test_further_columns_stay_and_nulls_are_absent(self, read):
        (row,) = read({"prompt": "Hi", "completion": None, "note": "x", "n": 3, "tools": None})
        assert (row.completion, row.reference, row.tools) == (None, {"note": "x", "n": 3}, None)

    def test_a_target_may_differ_from_the_completion(self, read):
        (row,) = read({"prompt": "1+1?", "completion": "One and one is 2.", "target": "2"})
        assert (row.completion, row.reference["target"]) == ("One and one is 2.", "2")

    def test_a_tools_answer_may_come_last(self, read):
        (row,) = read({"prompt": CALL, "tools": [TOOL]})
        assert (row.prompt, row.tools) == (tuple(CALL), (TOOL,))

    def test_ids(self, read):
        rows = read({"prompt": "a"}, "", {"prompt": "b", "id": 7}, {"prompt": "c", "id": "x"})
        assert [row.id for row in rows] == ["0", "7", "x"]


BAD = [
    ({"completion": "x"}, "has no field 'prompt' (its fields: 'completion')"),
    ({}, "has no field 'prompt' (its fields: none)"),
    ({"prompt": " "}, "'prompt' must be non-empty text"),
    ({"prompt": 3}, "'prompt' must be text or a non-empty list of messages, not 3"),
    ({"prompt": []}, "'prompt' must be text or a non-empty list"),
    ({"prompt": ["Hi"]}, "prompt[0] must be a message"),
    ({"prompt": [{"role": "human", "content": "Hi"}]}, "prompt[0] has the role 'human'; choose from"),
    ({"prompt": [{"content": "Hi"}]}, "prompt[0] has the role None"),
    ({"prompt": [USER, {"role": "assistant", "content": "Ho"}]}, "is the assistant's; it must be the user's"),
    ({"prompt": [{"role": "system", "content": "Hi"}]}, "is the system's; it must be the user's"),
    ({"prompt": [{"role": "tool", "content": "Hi"}]}, "'prompt' has no user turn"),
    (
        {"prompt": [USER, {"role": "system", "content": "x"}, USER]},
        "prompt[1] is a system turn; it must be the",
    ),
    ({"prompt": [{"role": "user", "content": [{"type": "text"}]}]}, "content of prompt[0] must be text"),
    ({"prompt": [{"role": "user", "content": ""}]}, "'content of prompt[0]' must be non-empty text"),
    ({"prompt": [{"role": "assistant"}, USER]}, "the content of prompt[0] must be text, not None"),
    ({"prompt": "Hi", "completion": ""}, "'completion' must be non-empty text, not ''; leave the field out"),
    ({"prompt": "Hi", "completion": 3}, "'completion' must be text or a non-empty list"),
    ({"prompt": "Hi", "completion": [USER]}, "has 1 message(s) (user); it must be one assistant message"),
    (
        {"prompt": "Hi", "completion": [{"role": "assistant", "content": "a"}, USER]},
        "has 2 message(s) (assistant, user); it must be one assistant message",
    ),
    ({"prompt": "Hi", "completion": CALL[1:2]}, "'completion' holds tool_calls"),
    ({"prompt": CHAT, "system": "x"}, "a field 'system' and a system turn in 'prompt'"),
    ({"prompt": "Hi", "system": 3}, "'system' must be non-empty text, not 3"),
    ({"prompt": "Hi", "teacher_prompt": ""}, "'teacher_prompt' must be non-empty text"),
    ({"prompt": "Hi", "teacher_prompt": CALL[:2]}, "the last message of 'teacher_prompt' is the assistant's"),
    ({"prompt": "Hi", "privileged_context": ["x"]}, "'privileged_context' must be non-empty text"),
    (
        {"prompt": "Hi", "privileged_context": "x", "teacher_prompt": "y"},
        "both 'teacher_prompt' and 'privileged_context'",
    ),
    ({"prompt": "Hi", "tools": {"name": "x"}}, "'tools' must be a list of JSON objects"),
    ({"prompt": "Hi", "tools": []}, "'tools' must be a list of JSON objects"),
    ({"prompt": "Hi", "choices": "ab"}, "'choices' must be a list of texts"),
    ({"prompt": "Hi", "choices": ["a", "a"]}, "names one option twice"),
    ({"prompt": "Hi", "id": 1.5}, "'id' must be text or a whole number, not 1.5"),
    ({"prompt": "Hi", "id": True}, "'id' must be text or a whole number, not True"),
    ({"prompt": "Hi", "target": 3}, "'target' must be non-empty text, not 3"),
    ({"prompt": "Hi \ud800"}, "a lone surrogate"),
    ("[1]", "must be a JSON object, not list"),
    ("{", "is not JSON"),
]


class TestBadInput:
    @pytest.mark.parametrize(("row", "message"), BAD, ids=[message for _, message in BAD])
    def test_a_bad_row_is_one_error_with_its_place(self, read, row, message):
        with pytest.raises(UserError, match=re.escape(message)) as error:
            read({"prompt": "fine"}, row)
        assert "rows.jsonl line 2" in str(error.value)
        assert "\n" not in str(error.value)

    def test_two_rows_of_one_id(self, read):
        with pytest.raises(UserError, match=r"line 2 has the id '0' of .*line 1"):
            read({"prompt": "a"}, {"prompt": "b", "id": 0})

    def test_a_row_nested_too_deep(self, read):
        with pytest.raises(UserError, match="line 2 nests too deep"):
            read({"prompt": "a"}, '{"prompt": ' + "[" * 100_000 + "]" * 100_000 + "}")

    def test_an_empty_and_a_missing_file(self, read, tmp_path):
        with pytest.raises(UserError, match="holds no row"):
            read("", "  ")
        with pytest.raises(UserError, match=r"cannot read .*none.jsonl"):
            read_episodes(tmp_path / "none.jsonl", "x")


MESSAGE = st.builds(
    lambda role, content: {"role": role, "content": content},
    st.sampled_from(["user", "assistant"]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip),
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@given(
    turns=st.lists(MESSAGE, max_size=3),
    last=TEXT,
    more=st.fixed_dictionaries(
        {},
        optional={
            "completion": TEXT, "system": TEXT, "target": TEXT, "note": TEXT, "tools": st.just([TOOL]),
            "choices": st.lists(TEXT, min_size=2, unique=True),
        },
    ),
    taught=st.sampled_from([{}, {"teacher_prompt": "x"}, {"privileged_context": "y"}]),
)  # fmt: skip
def test_a_written_row_reads_as_the_same_episode(turns, last, more, taught):
    row = {"prompt": [*turns, {"role": "user", "content": last}], **more, **taught}
    episode = parse_row(row, "here", source="s", number=4)
    assert parse_row(json.loads(json.dumps(to_row(episode))), "there", source="s", number=9) == episode
    again = parse_row(to_row(episode), "there", source="s", number=9)
    assert (again.reference, again.tools) == (episode.reference, episode.tools)


class TestOpen:
    def test_parts_and_defaults(self, write):
        source = open_json_lines(
            evaluation=write("orders.jsonl", [{"prompt": "e", "completion": "E"}]),
            inputs=write("i.jsonl", [{"prompt": "i"}, {"prompt": "D1 "}, {"prompt": "j", "completion": "J"}]),
            demonstrations=write("d.jsonl", [{"prompt": f"d{i}", "completion": f"D{i}"} for i in (1, 2)]),
        )
        assert (source.name, source.num_fewshot, source.metric.name) == ("orders", 2, "exact_match")
        assert [row.question for row in source.train()] == ["i", "j"], "a demonstration is not learned from"
        assert source.dropped_inputs == 1
        assert [row.completion for row in source.pool()] == ["D1", "D2"]
        assert [row.question for row in source.evaluation()] == ["e"]
        assert source.judge(source.evaluation()[0], "E").score == 1.0

    def test_one_file_is_what_is_learned_and_shown(self, write):
        source = open_json_lines(write("all.jsonl", [{"prompt": "a", "completion": "A"}, {"prompt": "b"}]))
        assert [row.question for row in source.train()] == ["a", "b"]
        assert [row.question for row in source.pool()] == ["a"]
        assert source.metric is None

    @pytest.mark.parametrize("part", ["evaluation", "inputs", "path"])
    def test_what_is_missing_is_named_with_its_remedy(self, write, part):
        source = open_json_lines(**{part: write("x.jsonl", [{"prompt": "a", "completion": "A"}])})
        if part == "evaluation":
            for call in (source.train, source.pool):
                with pytest.raises(UserError, match=r"x: there are no .*; give --"):
                    call()
        else:
            with pytest.raises(UserError, match="no rows to evaluate; give --eval"):
                source.evaluation()
            with pytest.raises(UserError, match="no metric was named"):
                source.judge(source.train()[0], "A")

    def test_nothing_or_two_sources_of_inputs(self, write):
        with pytest.raises(UserError, match="no file of JSON lines was named"):
            open_json_lines()
        path = write("a.jsonl", [{"prompt": "a"}])
        with pytest.raises(UserError, match="named twice"):
            open_json_lines(path, inputs=path)

    @pytest.mark.parametrize("part", ["demonstrations", "inputs", "path"])
    def test_no_evaluated_question_is_shown_or_learned(self, write, part):
        evaluated = write("e.jsonl", [{"prompt": q, "completion": "A"} for q in ("one", "Two  THREE")])
        leak = write("l.jsonl", [{"prompt": q, "completion": "B"} for q in ("x", "two three", "ONE")])
        with pytest.raises(UserError, match=r"l.jsonl line 2 is a .*e.jsonl line 2 evaluates \(and 1 more"):
            open_json_lines(evaluation=evaluated, **{part: leak})

    def test_the_same_last_turn_of_another_conversation_is_no_leak(self, write):
        yes = {"role": "user", "content": "Yes."}
        talks = [[USER, {"role": "assistant", "content": text}, yes] for text in ("Red?", "Green?")]
        one, other = (
            write(f"{i}.jsonl", [{"prompt": talk, "completion": "ok"}]) for i, talk in enumerate(talks)
        )
        assert open_json_lines(evaluation=one, inputs=other).train()

    def test_a_demonstration_needs_its_answer(self, write):
        with pytest.raises(UserError, match=r"d.jsonl line 2 is a demonstration without a completion"):
            open_json_lines(
                demonstrations=write("d.jsonl", [{"prompt": "a", "completion": "A"}, {"prompt": "b"}])
            )

    def test_every_input_a_demonstration(self, write):
        rows = write("a.jsonl", [{"prompt": "a", "completion": "A"}])
        with pytest.raises(UserError, match="every row is one of the demonstrations"):
            open_json_lines(inputs=rows, demonstrations=rows)

    @pytest.mark.parametrize(
        ("metric", "row", "message"),
        [
            (None, {}, "no 'completion' to compare"),
            ("json_match", {"completion": "{3"}, "needs a completion that is JSON"),
            ("json_match", {"completion": '{"a": 1, "a": 1}'}, "a key stands twice"),
            ("numeric", {"completion": "none"}, "holds a number"),
            ("choice", {"completion": "A"}, "needs a column 'choices'"),
            ("choice", {"completion": "C", "choices": ["x", "y"]}, "names none, or not one alone"),
        ],
    )
    def test_labels_that_no_reply_can_meet(self, write, metric, row, message):
        rows = [{"prompt": "a", "completion": "A", "choices": ["A", "B"]}] if metric == "choice" else []
        with pytest.raises(UserError, match=re.escape(message)) as error:
            open_json_lines(evaluation=write("e.jsonl", [*rows, {"prompt": "b"} | row]), metric=metric)
        assert f"e.jsonl line {len(rows) + 1}" in str(error.value)

    def test_a_metric_of_ones_own_needs_no_label(self, write):
        source = open_json_lines(evaluation=write("e.jsonl", [{"prompt": "b"}]), metric="operator:contains")
        assert len(source.evaluation()) == 1


class TestShow:
    @pytest.fixture
    def source(self, write):
        return open_json_lines(
            inputs=write("i.jsonl", [{"prompt": CHAT}, {"prompt": "Hi", "tools": [TOOL]}]),
            demonstrations=write("d.jsonl", [
                {"prompt": "d1", "completion": "D1"},
                {"prompt": [*CHAT[:2], CHAT[2], {"role": "user", "content": "Green."}], "completion": "D2"},
            ]),
        )  # fmt: skip

    def test_system_demonstrations_conversation(self, source):
        row = source.train()[0]
        shown = source.show(row, source.pool(), system="Be brief.")
        assert [turn["role"] for turn in shown] == ["system", *["user", "assistant"] * 4, "user"]
        assert shown[0]["content"] == "Be brief.\n\nYou take orders."
        assert [turn["content"] for turn in shown[1:3]] == ["d1", "D1"]
        assert shown[6]["content"] == "D2"
        assert shown[7:] == row.prompt[1:]

    def test_nothing_added_is_the_rows_own_prompt(self, source):
        assert [source.show(row) for row in source.train()] == [row.prompt for row in source.train()]

    def test_a_demonstration_with_another_system_turn(self, source):
        with pytest.raises(UserError, match="another system turn than the row '1'"):
            source.show(source.train()[1], source.pool())

    def test_a_demonstration_without_answer(self, source):
        with pytest.raises(UserError, match="demonstration '1' has no completion"):
            source.show(source.train()[0], source.train()[1:])


class TestPicker:
    @pytest.fixture
    def source(self, write):
        rows = [{"prompt": f"q{i}", "completion": f"a{i}"} for i in range(6)]
        return open_json_lines(
            evaluation=write("e.jsonl", [{"prompt": q, "completion": q} for q in "xy"]),
            demonstrations=write("d.jsonl", rows),
        )

    def test_listed_is_the_files_order(self, source):
        assert source.demonstration_mode == "listed"
        picker = source.picker(3)
        assert [row.id for row in picker.fixed] == ["0", "1", "2"]
        assert [picker.pick(row) for row in source.evaluation()] == [picker.fixed] * 2
        assert source.picker(6).fixed == source.pool()
        with pytest.raises(UserError, match=r"orders 1 is one of its own|1 is one of its own demonstrations"):
            picker.pick(source.pool()[1])

    def test_modes(self, source):
        asked = source.evaluation()
        shown = {mode: [source.picker(4, mode, 3).pick(row) for row in asked] for mode in MODES}
        assert shown["zero"] == [[], []]
        assert shown["fixed"][0] == shown["fixed"][1] != shown["listed"][0]
        assert shown["per_example"][0] != shown["per_example"][1]
        assert shown["per_example"] == [source.picker(4, "per_example", 3).pick(row) for row in asked]
        assert [row.question for row in shown["shuffled"][0]] == [row.question for row in shown["fixed"][0]]
        answers = [row.completion for row in shown["fixed"][0]]
        assert [row.completion for row in shown["shuffled"][0]] == [*answers[1:], answers[0]]

    @pytest.mark.parametrize(
        ("k", "mode", "message"),
        [
            (7, "listed", "num_fewshot 7 needs a pool of at least 7 rows, and it has 6"),
            (6, "fixed", "needs a pool of at least 7 rows"), (2, "best", "'best'"), (1, "shuffled", "two or"),
        ],
    )  # fmt: skip
    def test_wrong_wishes(self, source, k, mode, message):
        with pytest.raises(UserError, match=message):
            source.picker(k, mode)

    def test_none_need_no_pool(self, write):
        source = open_json_lines(inputs=write("i.jsonl", [{"prompt": "a"}]))
        assert source.picker(0).fixed == source.picker(0).pick(source.train()[0]) == []


class TestOneFile:
    """Labelled rows alone: some are judged, the others learnt from."""

    def rows(self, count, first=0):
        return [{"prompt": f"q{i}", "completion": f"a{i}"} for i in range(first, first + count)]

    @pytest.mark.parametrize(("count", "judged"), [(2, 1), (4, 1), (10, 2), (99, 19), (1100, 200)])
    def test_a_fifth_is_judged(self, write, caplog, count, judged):
        with caplog.at_level("INFO"):
            source = open_json_lines(write("all.jsonl", self.rows(count)), split=True)
        assert (len(source.evaluation()), len(source.train())) == (judged, count - judged)
        assert f"all.jsonl: {judged} rows are evaluated and {count - judged} are learnt from" in caplog.text
        questions = [row.question for row in source.train() + source.evaluation()]
        assert len(set(questions)) == count
        assert source.metric.name == "exact_match"
        assert source.left_out == {"evaluated": 0}

    def test_the_same_rows_whatever_their_order(self, write):
        def judged(rows):
            source = open_json_lines(write("all.jsonl", rows), split=True)
            return {row.question for row in source.evaluation()}

        rows = self.rows(40)
        assert judged(rows) == judged(rows[::-1]) != {row["prompt"] for row in rows[:8]}

    def test_no_question_stands_on_both_sides(self, write):
        twins = [{"prompt": f" Q{i % 7} ", "completion": str(i)} for i in range(28)]
        bare = [{"prompt": f"q{i}"} for i in range(9)]
        source = open_json_lines(write("all.jsonl", [*twins, *bare]), split=True)
        judged, learned = (
            {row.question.strip().lower() for row in rows} for rows in (source.evaluation(), source.train())
        )
        assert judged and not judged & learned
        assert len(source.evaluation()) == 4, "all four rows of one question: a fifth of 28 is five"
        assert source.left_out == {"evaluated": 1}, "the unlabelled twin"
        assert len(source.train()) == 28 - 4 + 9 - 1

    def test_questions_that_stand_too_often(self, write):
        rows = [{"prompt": "ab"[i % 2], "completion": str(i)} for i in range(5)]
        source = open_json_lines(write("all.jsonl", rows), split=True)
        assert {row.question for row in source.evaluation()} == {"b"}

    def test_no_demonstration_is_judged(self, write):
        shown = write("d.jsonl", self.rows(38))
        source = open_json_lines(write("all.jsonl", self.rows(40)), demonstrations=shown, split=True)
        assert {row.question for row in source.evaluation() + source.train()} == {"q38", "q39"}

    def test_unlabelled_rows_cannot_be_judged(self, write):
        source = open_json_lines(write("all.jsonl", [{"prompt": "a"}, {"prompt": "b"}]), split=True)
        assert len(source.train()) == 2
        with pytest.raises(UserError, match=r"all.jsonl: no row has a completion, so none can be evaluated"):
            source.evaluation()

    def test_by_a_metric_that_needs_no_label(self, write):
        rows = [{"prompt": f"q{i}"} for i in range(10)]
        source = open_json_lines(write("all.jsonl", rows), metric="operator:contains", split=True)
        assert len(source.evaluation()) == 2

    def test_a_label_that_the_metric_cannot_use(self, write):
        with pytest.raises(UserError, match=r"all.jsonl line \d+, metric 'json_match': .* that is JSON"):
            open_json_lines(write("all.jsonl", self.rows(9)), metric="json_match", split=True)

    def test_nothing_left_to_learn_from(self, write):
        with pytest.raises(
            UserError, match="cannot be both learnt from and evaluated: all rows ask the same"
        ):
            open_json_lines(write("all.jsonl", [{"prompt": "a", "completion": "A"}] * 3), split=True)
        rows = self.rows(2)
        shown = write("d.jsonl", rows)
        with pytest.raises(UserError, match="every labelled row is one of the demonstrations"):
            open_json_lines(write("all.jsonl", [*rows, {"prompt": "z"}]), demonstrations=shown, split=True)

    def test_not_where_rows_to_judge_are_named(self, write):
        source = open_json_lines(
            write("all.jsonl", self.rows(5)), evaluation=write("e.jsonl", self.rows(2, 9)), split=True
        )
        assert (len(source.train()), len(source.evaluation())) == (5, 2)


class TestContext:
    @pytest.fixture
    def source(self, write):
        rows = [
            {"prompt": "a", "completion": "A", "hint": "see {question}", "n": 4},
            {"prompt": CHAT, "completion": "B", "privileged_context": "they are sold out"},
            {"prompt": CALL, "completion": "C", "teacher_prompt": "Say C."},
        ]
        return open_json_lines(write("rows.jsonl", rows))

    def apply(self, context, source, rows=None):
        return [row.taught for row in context.apply(source, rows or source.train(), lambda row: [])]

    def test_instruction_and_documents_are_one_system_turn(self, source):
        context = Context(
            system_instruction="Obey.", documents=(Document("m.md", "Text."), Document("n", "N"))
        )
        first, second, third = self.apply(context, source)
        assert first[0]["content"] == "Obey.\n\nDocument m.md:\n\nText.\n\nDocument n:\n\nN"
        assert second[0]["content"] == first[0]["content"] + "\n\nYou take orders."
        assert third == ({"role": "user", "content": "Say C."},), "a row's own conversation wins"

    def test_privileged_texts(self, source):
        rows = source.train()
        assert self.apply(Context(), source)[1][-1]["content"] == (
            "Red ones.\n\nReference (for you alone):\nthey are sold out"
        )
        assert self.apply(Context(), source)[0] == rows[0].prompt
        gold = Context(privileged="completion", privileged_template="[{privileged}] {question}")
        assert [turns[-1]["content"] for turns in self.apply(gold, source)[:2]] == ["[A] a", "[B] Red ones."]
        # What is filled in is not searched for placeholders, and braces of the template are its own.
        hint = Context(privileged="hint", privileged_template='{"ask": {question}, "hint": {privileged}}')
        assert self.apply(hint, source, rows[:1])[0][-1]["content"] == '{"ask": a, "hint": see {question}}'
        assert self.apply(Context(privileged="n"), source, rows[:1])[0][-1]["content"].endswith("\n4")

    def test_a_tools_answer_after_the_question(self, source):
        row = source.train()[2].seen_with(None)
        (taught,) = self.apply(Context(privileged="completion"), source, [row])
        assert taught[0]["content"].endswith("\nC")
        assert taught[1:] == row.prompt[1:]

    def test_demonstrations_stand_before_it(self, source):
        rows = source.train()
        pick = source.picker(1).pick
        (row,) = Context(num_fewshot=1, privileged="completion").apply(source, rows[1:2], pick)
        assert [turn["content"] for turn in row.taught[1:3]] == ["a", "A"]
        assert row.prompt == rows[1].prompt

    @pytest.mark.parametrize(
        ("column", "message"),
        [
            ("note", "row '0': the privileged column 'note' must be text, not None; add it"),
            ("privileged_context", "row '0': the privileged column 'privileged_context'"),
        ],
    )
    def test_a_row_without_the_column(self, source, column, message):
        with pytest.raises(UserError, match=re.escape(message)):
            self.apply(Context(privileged=column), source)

    def test_a_plain_prompt(self, source):
        class Plain:
            name, num_fewshot = "plain", 0
            show = staticmethod(lambda row, shown=(), *, system=None: f"Question: {row.question}\nAnswer:")

        (text, *_) = self.apply(Context(privileged="completion"), Plain(), source.train()[:1])
        assert text == "Question: a\n\nReference (for you alone):\nA\nAnswer:"
        Plain.show = staticmethod(lambda row, shown=(), *, system=None: "?")
        with pytest.raises(UserError, match="does not hold the question"):
            self.apply(Context(privileged="completion"), Plain(), source.train()[:1])

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"privileged_template": "{question}"}, "lacks {privileged}"),
            ({"privileged_template": "{privileged}"}, "lacks {question}"),
            ({"privileged_template": "{question} {privileged} {hint}"}, "unknown placeholder {hint}"),
            ({"num_fewshot": -1}, "num_fewshot is -1"),
        ],
    )
    def test_wrong_fields(self, fields, message):
        with pytest.raises(UserError, match=re.escape(message)):
            Context(**fields)

    def test_round_trip(self):
        context = Context(
            3, "listed", 7, "Obey.", (Document("m.md", "Text."),), "hint", "{privileged}{question}"
        )
        assert Context.from_json(json.loads(json.dumps(context.to_json()))) == context
        assert Context.from_json({}) == Context()
        with pytest.raises(UserError, match="unknown field 'shots'"):
            Context.from_json({"shots": 3})
        with pytest.raises(UserError, match="documents is"):
            Context.from_json({"documents": [{"title": "x"}]})

    def test_is_empty(self):
        assert Context().is_empty
        one = ({"num_fewshot": 1}, {"system_instruction": "x"}, {"documents": (Document("a", "b"),)})
        assert not any(Context(**fields).is_empty for fields in (*one, {"privileged": "completion"}))

    def test_files(self, tmp_path):
        path = tmp_path / "manual.md"
        path.write_text("\ufeff  Be kind.\n")
        assert read_document(path) == Document("manual.md", "Be kind.")
        assert read_instruction(str(path)) == "Be kind."
        assert read_instruction("Be kind, see manual.md.") == "Be kind, see manual.md."
        assert read_instruction("x" * 5000) == "x" * 5000
        path.write_bytes(b"\xff\xfe\x00")
        for value, message in (
            (path, "no UTF-8"), (tmp_path / "none.md", "cannot read"), (tmp_path, "cannot read"),
        ):  # fmt: skip
            with pytest.raises(UserError, match=message):
                read_document(value)
        path.write_text(" \n")
        with pytest.raises(UserError, match="is empty"):
            read_document(path)
        with pytest.raises(UserError, match="does not exist"):
            read_instruction("prompts/none.txt")
        with pytest.raises(UserError, match="is empty"):
            read_instruction(" ")
