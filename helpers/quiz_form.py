"""The quiz as a form, for people: radio buttons, text boxes, and a button that sends it all."""

import json
from collections.abc import Callable
from html import escape

import ipywidgets as widgets
from openai import OpenAI
from openai.types.beta.threads import Run
from openai.types.beta.threads.run_submit_tool_outputs_params import ToolOutput

from helpers.conversation import wait_on_run
from helpers.display import message_text
from helpers.quiz import is_multiple_choice

FEEDBACK = "white-space: pre-wrap; line-height: 1.5; max-width: 640px"
WIDE = widgets.Layout(width="100%", max_width="640px")


class QuizForm(widgets.VBox):
    """A form for the quizzes that a run waits for.

    Pressing Submit sends the responses, waits for the run, and shows what the tutor says to them.

    Args:
        run: a run in `requires_action`, with calls of `display_quiz`.
        then: called when the feedback is there.

    Attributes:
        run: the run, as it was last seen.

    Raises:
        ValueError: the run does not wait for anything.
    """

    def __init__(self, client: OpenAI, run: Run, then: Callable[[], object] | None = None) -> None:
        if run.required_action is None:
            raise ValueError(f"Run {run.id} is {run.status}; it waits for nothing.")
        self.run = run
        self._client = client
        self._then = then
        self._inputs: dict[str, list[widgets.Widget]] = {}
        self._button = widgets.Button(description="Submit", button_style="primary")
        self._button.on_click(self._submit)
        self._feedback = widgets.HTML()
        parts = [
            part
            for call in run.required_action.submit_tool_outputs.tool_calls
            for part in self._quiz(call.id, call.function.arguments)
        ]
        super().__init__([*parts, self._button, self._feedback])

    def __repr__(self) -> str:
        count = sum(map(len, self._inputs.values()))
        return f"A quiz form with {count} questions. Run the cell to fill it in."

    def _quiz(self, call_id: str, arguments: str) -> list[widgets.Widget]:
        self._inputs[call_id] = []
        try:
            quiz = json.loads(arguments)
            title, questions = str(quiz["title"]), list(quiz["questions"])
        except (ValueError, KeyError, TypeError) as error:
            return [widgets.HTML(f"<b>This quiz cannot be shown:</b> {escape(str(error))}")]
        parts: list[widgets.Widget] = [widgets.HTML(f"<h3>{escape(title)}</h3>")]
        for number, question in enumerate(questions, 1):
            text = escape(str(question.get("question_text", "")))
            parts.append(widgets.HTML(f"<b>{number}.</b> {text}"))
            if is_multiple_choice(question):
                choices = [str(choice) for choice in question["choices"]]
                answer = widgets.RadioButtons(options=choices, value=None, layout=WIDE)
            else:
                answer = widgets.Textarea(placeholder="Your answer", rows=2, layout=WIDE)
            self._inputs[call_id].append(answer)
            parts.append(answer)
        return parts

    def _submit(self, _: object) -> None:
        self._button.disabled = True
        outputs: list[ToolOutput] = [
            {
                "tool_call_id": call_id,
                "output": json.dumps([answer.value or "I don't know." for answer in answers]),
            }
            for call_id, answers in self._inputs.items()
        ]
        try:
            self.run = self._client.beta.threads.runs.submit_tool_outputs(
                self.run.id, thread_id=self.run.thread_id, tool_outputs=outputs
            )
            self.run = wait_on_run(self._client, self.run, progress=False)
            newest = self._client.beta.threads.messages.list(self.run.thread_id, limit=1).data[0]
            said = message_text(newest)
            if self._then is not None:
                self._then()
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        self._feedback.value = f"<div style='{FEEDBACK}'>{escape(said)}</div>"
