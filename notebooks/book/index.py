"""The contents page of the rendered notebooks."""

import re
from html import escape

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The Assistants Cookbook</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 17px/1.55 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.7rem; margin-bottom: .2rem; }}
p {{ margin-top: 0; opacity: .8; }}
ol {{ list-style: none; padding: 0; }}
li {{ border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); padding: .9rem 0; }}
li a {{ font-weight: 600; text-decoration: none; }}
li a:hover {{ text-decoration: underline; }}
li span {{ display: block; opacity: .75; font-size: .95rem; }}
</style>
</head>
<body>
<h1>The Assistants Cookbook</h1>
<p>Every page was executed on this machine just now.</p>
<ol>
{items}
</ol>
</body>
</html>
"""
ITEM = '<li><a href="{href}">{title}</a><span>{question}</span></li>'


def index_page(entries: list[tuple[str, str, str]]) -> str:
    """Return the page, for entries of file name, title and opening question."""
    items = (
        ITEM.format(href=escape(href), title=_text(title), question=_text(question))
        for href, title, question in entries
    )
    return PAGE.format(items="\n".join(items))


def _text(markdown: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(markdown))
