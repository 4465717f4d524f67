"""The tools that an assistant may have. A new one is a module of this room, and its name in `TYPES`."""

from assistants_server.tools.annotator import Annotator, Places, Shown, annotations
from assistants_server.tools.code_interpreter import ImageFileBlock
from assistants_server.tools.kinds import KINDS, TYPES, As, one_of
from assistants_server.tools.tool import Call, Context, Tool, ToolError, sound
from assistants_server.tools.toolbox import Toolbox
