"""A tool that converts units. It is not part of the server: tests/test_a_new_tool.py adds it to a copy."""

import json
from typing import Any, Literal

from pydantic import BaseModel

from assistants_server.tools.tool import Call, Tool
from assistants_server.web.fields import Body

METRES = {"m": 1.0, "km": 1000.0, "mile": 1609.344, "foot": 0.3048}


class UnitConverterRequest(Body):
    type: Literal["unit_converter"]


class UnitConverterSettings(BaseModel):
    type: Literal["unit_converter"]


class Conversion(BaseModel):
    input: str
    output: str | None = None


class UnitConverterCall(BaseModel):
    id: str
    type: Literal["unit_converter"]
    unit_converter: Conversion


class ConversionDelta(BaseModel):
    input: str | None = None
    output: str | None = None


class UnitConverterCallDelta(BaseModel):
    index: int
    id: str | None = None
    type: Literal["unit_converter"]
    unit_converter: ConversionDelta | None = None


class UnitConverterTool(Tool):
    """Converts lengths."""

    type = "unit_converter"
    description = f"Convert a length. The units are {', '.join(METRES)}."
    properties = {
        "length": {"type": "number"},
        "unit": {"type": "string", "enum": list(METRES)},
        "to": {"type": "string", "enum": list(METRES)},
    }
    request_model = UnitConverterRequest
    settings_model = UnitConverterSettings
    record_model = UnitConverterCall
    delta_model = UnitConverterCallDelta
    streams = "input"

    async def carry_out(self, call: Call) -> UnitConverterCall:
        given = json.loads(call.arguments)
        length = given["length"] * METRES[given["unit"]] / METRES[given["to"]]
        return self.record(call, output=f"{length:g} {given['to']}")

    @classmethod
    def details(cls, call: Call) -> dict[str, Any]:
        return {"input": call.arguments}


TOOL = UnitConverterTool
