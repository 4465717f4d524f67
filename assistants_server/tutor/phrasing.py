"""Puts a lesson into the style that was asked for: JSON, or words addressed to the user."""

from assistants_server.tutor.budget import OVERTAXED
from assistants_server.tutor.conversation import Conversation
from assistants_server.tutor.json_answers import as_json
from assistants_server.tutor.lesson import Lesson
from assistants_server.tutor.reply import Reply


def phrase(conversation: Conversation, lesson: Lesson, text: str) -> Reply:
    """Return a lesson, which `text` says in plain words, as a reply. Raises as `as_json` does."""
    if conversation.format is not None:
        return Reply(as_json(lesson, text, conversation.format.schema), lesson.pause)
    name = conversation.addressee()
    return Reply(f"{name}: {text}" if name else text, lesson.pause)


def decline(conversation: Conversation, reason: Lesson) -> Reply:
    """Return a reply that says why there is no answer; in plain words if JSON is not possible."""
    try:
        return phrase(conversation, reason, reason.full())
    except OVERTAXED:
        return Reply(reason.full())
