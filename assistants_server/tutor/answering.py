"""Finds the skill that understands a question, and puts its answer into the style asked for."""

import json
import re
from collections.abc import Callable
from functools import cache

from sympy.core.cache import clear_cache

from assistants_server.tutor import (
    algebra,
    arithmetic,
    calculus,
    coding,
    counting,
    documents,
    equations,
    grading,
    quiz,
    small_talk,
    topics,
)
from assistants_server.tutor.budget import OVERTAXED, OutOfCalls, within_budget
from assistants_server.tutor.conversation import Conversation, Tool, ToolCall
from assistants_server.tutor.json_answers import as_json, from_json
from assistants_server.tutor.lesson import Lesson
from assistants_server.tutor.phrasing import decline, phrase
from assistants_server.tutor.process_limits import CALLS
from assistants_server.tutor.refusals import FAILED, NEEDS_CODE, NOT_UNDERSTOOD, TOO_HARD, TOO_LONG
from assistants_server.tutor.reply import Reply

SKILLS: tuple[Callable[[str], Lesson | None], ...] = (
    calculus.answer,
    algebra.answer,
    counting.answer,
    equations.answer,
    arithmetic.answer,
    small_talk.thanks,
    topics.answer,
    small_talk.answer,
)

TOOL_SKILLS = (quiz, coding)

# Questions about the answer before: "Could you explain this to me?", "Are you sure?".
EXPLAIN = re.compile(
    r"\b(?:explain|why|how come|how did you|how so|elaborate|in (?:more )?detail|more about"
    r"|tell me more|show (?:me )?(?:the |your |all |every )*(?:steps?|work(?:ing)?)|step by step"
    r"|don[’']?t (?:understand|get)|do not understand|example|what do you mean)\b",
    re.I,
)
CHECK = re.compile(
    r"\b(?:are you sure|check|verify|is (?:that|this|it) (?:right|correct|true)|prove it)\b", re.I
)


def answer(conversation: Conversation, most_calls: int = CALLS) -> Reply:
    """Return what the tutor says next: for the same conversation always the same.

    Raises `OutOfCalls` if it takes `most_calls` function calls, and they are fewer than `CALLS`,
    and nothing else, whatever the user has written.
    """
    # What SymPy has cached for other questions would change how many calls this one needs.
    clear_cache()
    _lesson.cache_clear()
    try:
        if conversation.is_too_long():
            return decline(conversation, TOO_LONG)
        return within_budget(most_calls, _reply, conversation).writable()
    except OVERTAXED as reason:
        if isinstance(reason, OutOfCalls) and most_calls < CALLS:
            raise
        return decline(conversation, TOO_HARD)
    except Exception:  # SymPy has bugs
        return decline(conversation, FAILED)


def _reply(conversation: Conversation) -> Reply:
    if conversation.calls():
        return phrase(conversation, *_conclude(conversation))
    if calls := _calls(conversation):
        return Reply("", calls=calls)
    return phrase(conversation, *_respond(conversation))


def _calls(conversation: Conversation) -> tuple[ToolCall, ...]:
    """Return the tools that the tutor wants called before it answers."""
    for skill in TOOL_SKILLS:
        if conversation.may_call(skill.TOOL) and (calls := skill.calls(conversation)):
            return calls
    tools = conversation.callable_tools() if conversation.choice != "none" else []
    for tool in tools:
        if re.search(rf"\b{re.escape(tool.name)}\b", conversation.question()):
            return (_call(conversation, tool),)
    if conversation.may_call(documents.TOOL) and _is_for_documents(conversation):
        return (documents.call(conversation),)
    if conversation.choice == "required" and tools:
        return (_call(conversation, tools[0]),)
    return ()


def _is_for_documents(conversation: Conversation) -> bool:
    """Return whether to look into the documents: they are mentioned, or nothing else has helped."""
    question = conversation.question()
    if documents.ABOUT_DOCUMENTS.search(question):
        return True
    lesson, _ = _respond(conversation)
    return lesson in (NOT_UNDERSTOOD, NEEDS_CODE)


def _call(conversation: Conversation, tool: Tool) -> ToolCall:
    """Return a call that the question asks for by the tool's name, or the tool_choice demands."""
    if tool.name == documents.TOOL:
        return documents.call(conversation)
    lesson, text = _respond(conversation)
    if tool.name == coding.TOOL:
        return ToolCall(tool.name, json.dumps({"code": f"print({text!r})"}))
    return ToolCall(tool.name, as_json(lesson, text, tool.parameters or {"type": "object"}))


def _conclude(conversation: Conversation) -> tuple[Lesson, str]:
    """Return what is said when the tools that were called have answered, and what they found."""
    said = []
    for call in conversation.calls():
        if call.name == coding.TOOL:
            said.append(coding.conclude(conversation, call))
        elif call.name == quiz.TOOL:
            said.append(grading.feedback(call))
        elif call.name == documents.TOOL:
            said.append(documents.conclude(conversation, call))
        else:
            said.append(f"{call.name} answered: {call.output}")
    text = "\n\n".join(said)
    found = [from_json(call.output or "") for call in conversation.calls()]
    return Lesson(text, value=found[0] if len(found) == 1 else found), text


def _respond(conversation: Conversation) -> tuple[Lesson, str]:
    question, brief = conversation.question(), conversation.wants_brevity()
    lesson = _lesson(question)
    if lesson is not None:
        if lesson.steps and EXPLAIN.search(question):
            return lesson, lesson.explanation(brief)
        return lesson, lesson.brief() if brief else lesson.full()
    explains, checks = EXPLAIN.search(question), CHECK.search(question)
    subject = _subject(conversation.earlier()) if explains or checks else None
    if subject is not None and checks and subject.check:
        return subject, f"Yes: {subject.check}."
    if subject is not None and explains:
        return subject, subject.explanation(brief)
    if not conversation.may_call(coding.TOOL) and coding.program(conversation):
        return NEEDS_CODE, NEEDS_CODE.full()
    return NOT_UNDERSTOOD, NOT_UNDERSTOOD.full()


@cache
def _lesson(question: str) -> Lesson | None:
    return next(filter(None, (skill(question) for skill in SKILLS)), None)


def _subject(conversation: Conversation) -> Lesson | None:
    """Return the last lesson of a conversation: what "this" means."""
    while conversation.turns:
        lesson = TOO_LONG if conversation.is_too_long() else _lesson(conversation.question())
        if lesson is not None:
            return lesson
        conversation = conversation.earlier()
    return None
