"""Reads the C headers of the plugin interface: every struct with its fields, every constant, and what the comment above a
function says. The headers are written in one plain style (docs/abi-policy.md), which is all that this understands; what it
does not understand is an error."""

import re
from pathlib import Path

COMMENT = re.compile(r"/\*.*?\*/", re.S)
STRUCT = re.compile(r"typedef struct (\w+) \{(.*?)\n\} \1;", re.S)
ENUM = re.compile(r"\benum \{(.*?)\}", re.S)
SLOT = re.compile(r"^(?P<result>.+?)\(\*(?P<name>\w+)\)\((?P<arguments>.*)\) LECTERN_NOEXCEPT$", re.S)
TAG = re.compile(r"\[(control|reactor|referee|worker|any|call)\]")
STATE = re.compile(r"\((loaded|initialised|object|connection|kernel)\)")
MACRO = re.compile(r'^#define (LECTERN_(?:EXT|KIND)_\w+) "([^"]+)"', re.M)


class Trouble(Exception):
    pass


def one_line(text):
    text = " ".join(text.split())
    return re.sub(r"\s*\*\s*", " *", text).replace("( *", "(*").replace("* ", "*").strip()


def declarators(declaration):
    """`uint32_t a, b` or `const lectern_str *p` or `char code[48]` as (name, type) pairs."""
    first, *others = declaration.split(",")
    match = re.fullmatch(r"\s*(.+?)(\w+)(\[\d+\])?\s*", first, re.S)
    if not match:
        raise Trouble(f"cannot read the field '{one_line(declaration)}'")
    base = one_line(match[1])
    yield match[2], base + (match[3] or "")
    for other in others:
        match = re.fullmatch(r"\s*(\w+)\s*", other)
        if not match or "*" in base:
            raise Trouble(f"cannot read the field '{one_line(declaration)}'")
        yield match[1], base


def fields_of(body):
    comment = ""
    text = body
    while text.strip():
        text = text.lstrip()
        if text.startswith("/*"):
            end = text.index("*/") + 2
            comment, text = text[:end], text[end:]
            continue
        end = text.index(";")
        declaration, text = text[:end], text[end + 1 :]
        # What stands behind a field belongs to it, and never to the next one.
        behind = re.match(r"[ \t]*(/\*.*?\*/)", text, re.S)
        if behind:
            text = text[behind.end() :]
        declaration = COMMENT.sub(" ", declaration)
        slot = SLOT.match(one_line(declaration))
        if slot:
            yield slot_of(slot, comment)
        else:
            for name, kind in declarators(declaration):
                yield {"name": name, "type": kind}
        comment = ""


def slot_of(slot, comment):
    tag, state = TAG.search(comment), STATE.search(comment)
    if not tag:
        raise Trouble(f"the comment of {slot['name']} names no thread tag")
    if tag[1] != "call" and not state:
        raise Trouble(f"the comment of {slot['name']} names no state")
    fallible = slot["result"].strip() == "lectern_status"
    if fallible and "FAILURE" not in comment:
        raise Trouble(f"the comment of {slot['name']} does not say what FAILURE means")
    arguments = one_line(slot["arguments"]) or "void"
    made = {"name": slot["name"], "type": f"{one_line(slot['result'])} (*)({arguments})", "tag": tag[1]}
    if state:
        made["state"] = state[1]
    return made


def constants_of(text):
    for body in ENUM.findall(COMMENT.sub(" ", text)):  # a comment may hold a brace
        for item in body.split(","):
            if not item.strip():
                continue
            match = re.fullmatch(r"\s*(LECTERN_\w+) = (-?\d+)\s*", item)
            if not match:
                raise Trouble(f"the constant '{one_line(item)}' has no value of its own")
            yield match[1], int(match[2])


def read(include):
    """{"structs": {name: {"header", "fields"}}, "constants": {name: {"header", "value"}}, "macros": {name: (header, text)}}"""
    out = {"structs": {}, "constants": {}, "macros": {}}
    for path in sorted((Path(include) / "lectern" / "abi").rglob("*.h")):
        header = str(path.relative_to(include))
        text = path.read_text()
        try:
            found = STRUCT.findall(text)
            if len(found) != len(re.findall(r"\btypedef struct\b", text)):
                raise Trouble("a struct is not written as 'typedef struct name {...} name;'")
            for name, body in found:
                out["structs"][name] = {"header": header, "fields": list(fields_of(body))}
            for name, value in constants_of(STRUCT.sub("", text)):
                out["constants"][name] = {"header": header, "value": value}
            for name, value in MACRO.findall(text):
                out["macros"][name] = (header, value)
        except Trouble as trouble:
            raise Trouble(f"{header}: {trouble}") from None
    return out


def macro_number(include, name):
    text = (Path(include) / "lectern/abi/base.h").read_text()
    return int(re.search(rf"#define {name} (\d+)", text)[1])
