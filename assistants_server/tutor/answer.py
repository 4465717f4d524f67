"""Finds the skill that understands a question, and puts its answer into the style asked for."""

import json
from collections.abc import Callable

from assistants_server.tutor import (
    algebra,
    arithmetic,
    calculus,
    coding,
    counting,
    documents,
    equations,
    follow_ups,
    grading,
    manners,
    quiz,
    topics,
)
from assistants_server.tutor.budget import TooHard, within_budget
from assistants_server.tutor.conversation import Conversation, ToolCall
from assistants_server.tutor.lesson import Lesson
from assistants_server.tutor.reply import Reply
from assistants_server.tutor.structured import as_json

SKILLS: tuple[Callable[[str], Lesson | None], ...] = (
    calculus.answer,
    algebra.answer,
    counting.answer,
    equations.answer,
    arithmetic.answer,
    manners.thanks,
    topics.answer,
    manners.answer,
)

TOOL_SKILLS = (quiz, coding)
OVERTAXED = (TooHard, RecursionError, OverflowError, MemoryError)

NOT_UNDERSTOOD = Lesson(
    "I am the offline tutor, a script and not a language model, and I did not understand that",
    more="I can solve equations and systems, differentiate, integrate and take limits, calculate, "
    "simplify, factor and expand, count, and explain topics such as linear algebra, derivatives "
    "or probability. To talk to a real model instead, put an OPENAI_API_KEY into the file .env "
    "and connect again.",
)
NEEDS_CODE = Lesson(
    "I would write a few lines of code for that, but this assistant has no code interpreter",
    more="Give it the tool code_interpreter, and ask again.",
)
TOO_HARD = Lesson(
    "That is more than the offline tutor will work on",
    more="It stops after a fixed number of operations. A smaller problem of the same kind works.",
)


def answer(conversation: Conversation) -> Reply:
    """Return what the tutor says next.

    The same conversation always gets the same reply. Never raises for anything a user can write.
    """
    try:
        return _reply(conversation)
    except OVERTAXED:
        return Reply(TOO_HARD.full())


def _reply(conversation: Conversation) -> Reply:
    if conversation.calls():
        return Reply(_conclude(conversation))
    if calls := _calls(conversation):
        return Reply("", calls=calls)
    lesson, text = _respond(conversation)
    if conversation.format and conversation.format.get("type", "text") != "text":
        return Reply(as_json(lesson, text, conversation.format), lesson.pause)
    name = conversation.addressee()
    return Reply(f"{name}: {text}" if name else text, lesson.pause)


def _calls(conversation: Conversation) -> tuple[ToolCall, ...]:
    """Return the tools that the tutor wants called before it answers."""
    for skill in TOOL_SKILLS:
        if conversation.may_call(skill.TOOL):
            calls = within_budget(skill.calls, conversation)
            if calls:
                return calls
    if conversation.may_call(documents.TOOL) and _is_for_documents(conversation):
        return (documents.call(conversation),)
    forced = _forced(conversation)
    return (forced,) if forced else ()


def _is_for_documents(conversation: Conversation) -> bool:
    """Return whether to look into the documents: they are mentioned, or nothing else has helped."""
    question = conversation.question()
    if documents.mentions(question):
        return True
    lesson, _ = _respond(conversation)
    return lesson in (NOT_UNDERSTOOD, NEEDS_CODE)


def _forced(conversation: Conversation) -> ToolCall | None:
    """Return a call that the tool_choice demands although the question does not."""
    if conversation.choice in ("auto", "none") or not conversation.tools:
        return None
    wanted = conversation.choice.get("name") if isinstance(conversation.choice, dict) else None
    tool = next((tool for tool in conversation.tools if wanted in (None, tool["name"])), None)
    if tool is None:
        return None
    lesson, text = _respond(conversation)
    schema = {"type": "json_schema", "schema": tool.get("parameters") or {"type": "object"}}
    arguments = as_json(lesson, text, schema)
    if tool["name"] == documents.TOOL:
        return documents.call(conversation)
    if tool["name"] == coding.TOOL:
        arguments = json.dumps({"code": f"print({text!r})"})
    return ToolCall(tool["name"], arguments)


def _conclude(conversation: Conversation) -> str:
    """Return what is said when the tools that were called have answered."""
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
    return "\n\n".join(said)


def _respond(conversation: Conversation) -> tuple[Lesson, str]:
    question, brief = conversation.question(), conversation.wants_brevity()
    lesson = _lesson(question)
    if lesson is not None:
        if lesson.steps and follow_ups.wants_explanation(question):
            return lesson, lesson.explanation(brief)
        return lesson, lesson.brief() if brief else lesson.full()
    subject = _subject(conversation.earlier())
    if subject is not None and follow_ups.wants_check(question) and subject.check:
        return subject, f"Yes: {subject.check}."
    if subject is not None and follow_ups.wants_explanation(question):
        return subject, subject.explanation(brief)
    if not conversation.may_call(coding.TOOL) and coding.needs_code(conversation):
        return NEEDS_CODE, NEEDS_CODE.full()
    return NOT_UNDERSTOOD, NOT_UNDERSTOOD.full()


def _lesson(question: str) -> Lesson | None:
    try:
        return within_budget(_first, question)
    except OVERTAXED:
        return TOO_HARD


def _first(question: str) -> Lesson | None:
    for skill in SKILLS:
        lesson = skill(question)
        if lesson is not None:
            return lesson
    return None


def _subject(conversation: Conversation) -> Lesson | None:
    """Return the last lesson of a conversation: what "this" means."""
    while conversation.turns:
        lesson = _lesson(conversation.question())
        if lesson is not None:
            return lesson
        conversation = conversation.earlier()
    return None
