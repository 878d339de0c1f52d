#!/usr/bin/env python3
"""sdk/abi.yaml against the headers of the plugin interface, both ways.

  abi_yaml.py check INCLUDE YAML CC WORK   names, order, types, tags, since; sizes and offsets by compiling asserts with CC
  abi_yaml.py write INCLUDE YAML CC WORK   brings YAML up to date: what is new gets the present version as `since`
  abi_yaml.py probe YAML VERSION OUT       writes C with the structs as of VERSION and one function of each, for abidiff
"""

import re
import subprocess
import sys
from pathlib import Path

import abi_headers
import yaml

FUNCTIONS = {"lectern_plugin_entry": "lectern/abi/entry.h"}


def load(path):
    return yaml.safe_load(Path(path).read_text()) if Path(path).exists() else {}


def version(text):
    return tuple(int(part) for part in str(text).split("."))


def compile_c(cc, work, name, text, include):
    Path(work).mkdir(parents=True, exist_ok=True)
    source = Path(work) / name
    source.write_text(text)
    command = [cc, "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{include}"]
    return source, subprocess.run([*command, "-fsyntax-only", str(source)], capture_output=True, text=True), command


def includes(headers):
    return "".join(f'#include "{header}"\n' for header in sorted(set(headers)))


def measure(headers, include, cc, work):
    """Sizes and offsets as this compiler lays them out."""
    lines = [includes(one["header"] for one in headers["structs"].values()), "#include <stdio.h>\nint main(void) {\n"]
    for name, struct in headers["structs"].items():
        lines.append(f'  printf("{name} %zu\\n", sizeof({name}));\n')
        for field in struct["fields"]:
            lines.append(f'  printf("{name}.{field["name"]} %zu\\n", offsetof({name}, {field["name"]}));\n')
    lines.append("  return 0;\n}\n")
    source, result, command = compile_c(cc, work, "measure.c", "".join(lines), include)
    if result.returncode:
        sys.exit(result.stderr)
    program = Path(work) / "measure"
    subprocess.run([*command, "-o", str(program), str(source)], check=True)
    out = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    return {line.split()[0]: int(line.split()[1]) for line in out.splitlines()}


def write(include, path, cc, work):
    headers = abi_headers.read(include)
    sizes = measure(headers, include, cc, work)
    old = load(path)
    now = ".".join(str(abi_headers.macro_number(include, f"LECTERN_ABI_{part}")) for part in ("MAJOR", "MINOR"))
    since = lambda entry: str((entry or {}).get("since", now))
    kept = lambda entry: f', deprecated: {{since: "{entry["deprecated"]["since"]}", use: {entry["deprecated"]["use"]}}}' if (
        entry or {}
    ).get("deprecated") else ""
    out = [HEAD, f'version: "{now}"\n\nextensions:\n']
    extensions = {one["id"]: one for one in old.get("extensions", [])}
    for macro, (header, ident) in headers["macros"].items():
        if not macro.startswith("LECTERN_EXT_"):
            continue
        entry = extensions.get(ident, {})
        struct = entry.get("struct", "lectern_" + ident.split("/")[0].replace("-", "_"))
        out.append(f'  - {{id: "{ident}", macro: {macro}, struct: {struct}, header: {header}, '
                   f'side: {entry.get("side", "?")}, since: "{since(entry)}"{kept(entry)}}}\n')
    out.append("\nkinds:\n")
    kinds = {one["name"]: one for one in old.get("kinds", [])}
    for macro, (header, name) in headers["macros"].items():
        if macro.startswith("LECTERN_KIND_"):
            entry = kinds.get(name, {})
            out.append(f'  - {{name: {name}, macro: {macro}, struct: lectern_{name}, '
                       f'status: {entry.get("status", "draft")}, since: "{since(entry)}"}}\n')
    out.append("\nfunctions:\n")
    functions = {one["name"]: one for one in old.get("functions", [])}
    for name, header in FUNCTIONS.items():
        out.append(f'  - {{name: {name}, header: {header}, since: "{since(functions.get(name))}"}}\n')
    out.append("\nconstants:\n")
    for name, constant in headers["constants"].items():
        entry = old.get("constants", {}).get(name, {})
        out.append(f'  {name}: {{value: {constant["value"]}, header: {constant["header"]}, since: "{since(entry)}"{kept(entry)}}}\n')
    out.append("\nstructs:\n")
    for name, struct in headers["structs"].items():
        entry = old.get("structs", {}).get(name, {})
        fields = {field["name"]: field for field in entry.get("fields", [])}
        out.append(f'  {name}:\n    header: {struct["header"]}\n    since: "{since(entry)}"\n    size: {sizes[name]}\n    fields:\n')
        for field in struct["fields"]:
            known = fields.get(field["name"], {})
            extra = "".join(f", {key}: {field[key]}" for key in ("tag", "state") if key in field)
            out.append(f'      - {{name: {field["name"]}, type: "{field["type"]}", offset: {sizes[name + "." + field["name"]]}'
                       f'{extra}, since: "{since(known)}"{kept(known)}}}\n')
    Path(path).write_text("".join(out))


HEAD = """# Every struct, slot, constant and extension of the plugin interface, with the version of the interface it came with.
# tests/abi/abi_yaml.py checks the headers against this file both ways (CTest: abi.yaml), and `abi_yaml.py write` adds what is
# new; docs/abi-policy.md says what may change. Offsets and sizes hold on every 64-bit machine (LP64).
"""


class Findings:
    def __init__(self):
        self.count = 0

    def add(self, text):
        self.count += 1
        print(f"abi.yaml: {text}")


def same_names(findings, what, listed, there):
    for name in listed:
        if name not in there:
            findings.add(f"{what} {name} is listed, and no header has it")
    for name in there:
        if name not in listed:
            findings.add(f"{what} {name} is in {there[name]} and not listed; `abi_yaml.py write` adds it")


def check_struct(findings, name, listed, struct, now):
    names = [field["name"] for field in listed["fields"]]
    there = [field["name"] for field in struct["fields"]]
    if names != there:
        return findings.add(f"{name} has the fields {', '.join(there)}; listed are {', '.join(names)}")
    if listed["header"] != struct["header"]:
        findings.add(f"{name} is in {struct['header']}, listed under {listed['header']}")
    last = version(listed["since"])
    for field, real in zip(listed["fields"], struct["fields"]):
        for key in ("type", "tag", "state"):
            if field.get(key) != real.get(key):
                findings.add(f"{name}.{field['name']}: its {key} is {real.get(key)}, listed is {field.get(key)}")
        if version(field["since"]) < last:
            findings.add(f"{name}.{field['name']} is older than what stands before it: fields are added at the end only")
        last = max(last, version(field["since"]))
        if last > now:
            findings.add(f"{name}.{field['name']} is since {field['since']}, and the interface is older")
        if "deprecated" in field and not {"since", "use"} <= set(field["deprecated"]):
            findings.add(f"{name}.{field['name']} is deprecated without saying since when and what to use")


def asserts(listed):
    lines = [includes([one["header"] for one in listed["structs"].values()] + [one["header"] for one in listed["functions"]])]
    lines.append("#if UINTPTR_MAX != 0xffffffffffffffff\n#error \"sizes and offsets are listed for 64-bit machines\"\n#endif\n")
    say = lambda condition, text: lines.append(f'_Static_assert({condition}, "{text}");\n')
    for name, struct in listed["structs"].items():
        say(f"sizeof({name}) == {struct['size']}", f"{name} has {struct['size']} bytes")
        for field in struct["fields"]:
            where = f"{name}.{field['name']}"
            say(f"offsetof({name}, {field['name']}) == {field['offset']}", f"{where} is at {field['offset']}")
            kind = field["type"]
            array = re.fullmatch(r"(.+)\[(\d+)\]", kind)
            pointer = f"{array[1]} (*)[{array[2]}]" if array else kind.replace("(*)", "(**)", 1) if "(*)" in kind else f"{kind} *"
            say(f"_Generic(&(({name} *)0)->{field['name']}, {pointer}: 1, default: 0)", f"{where} is a {kind}")
    for name, constant in listed["constants"].items():
        say(f"{name} == {constant['value']}", f"{name} is {constant['value']}")
    for one in [*listed["extensions"], *listed["kinds"]]:
        ident = one.get("id", one.get("name"))
        say(f'sizeof({one["macro"]}) == sizeof("{ident}")', f"{one['macro']} is {ident}")
    for one in listed["functions"]:
        lines.append(f"void *use_{one['name']}(void);\nvoid *use_{one['name']}(void) {{ return (void *)(uintptr_t)&{one['name']}; }}\n")
    return "".join(lines)


def check_names(findings, listed, headers):
    ext = {ident: (macro, header) for macro, (header, ident) in headers["macros"].items() if macro.startswith("LECTERN_EXT_")}
    kinds = {name: header for macro, (header, name) in headers["macros"].items() if macro.startswith("LECTERN_KIND_")}
    same_names(findings, "extension", [one["id"] for one in listed["extensions"]], {ident: at[1] for ident, at in ext.items()})
    same_names(findings, "kind", [one["name"] for one in listed["kinds"]], kinds)
    for one in listed["extensions"]:
        if one["struct"] not in listed["structs"] or listed["structs"][one["struct"]]["header"] != one["header"]:
            findings.add(f"extension {one['id']}: {one['struct']} is no struct of {one['header']}")
        if one["side"] not in ("host", "plugin"):
            findings.add(f"extension {one['id']}: side is host or plugin, not {one['side']}")
        if not re.fullmatch(r"[a-z][a-z-]*/[1-9]\d*", one["id"]):
            findings.add(f"extension {one['id']}: an id is a word and a revision, \"log/1\"")
    for one in listed["kinds"]:
        drafted = "/draft/" in listed["structs"][one["struct"]]["header"]
        if drafted != (one["status"] == "draft"):
            findings.add(f"kind {one['name']} is {one['status']}, and its header is {'' if drafted else 'not '}under draft/")


def check(include, path, cc, work):
    findings = Findings()
    listed, headers = load(path), abi_headers.read(include)
    now = ".".join(str(abi_headers.macro_number(include, f"LECTERN_ABI_{part}")) for part in ("MAJOR", "MINOR"))
    if listed["version"] != now:
        findings.add(f"it lists interface {listed['version']}, base.h is {now}")
    same_names(findings, "struct", listed["structs"], {name: one["header"] for name, one in headers["structs"].items()})
    same_names(findings, "constant", listed["constants"], {name: one["header"] for name, one in headers["constants"].items()})
    check_names(findings, listed, headers)
    for name in set(listed["structs"]) & set(headers["structs"]):
        check_struct(findings, name, listed["structs"][name], headers["structs"][name], version(now))
    if findings.count == 0:
        _, result, _ = compile_c(cc, work, "layout.c", asserts(listed), include)
        if result.returncode:
            findings.add("the layout differs:\n" + "\n".join(re.findall(r"error: .*", result.stderr)))
    if findings.count:
        sys.exit(1)
    slots = sum(len(one["fields"]) for one in listed["structs"].values())
    print(f"abi.yaml: {len(listed['structs'])} structs with {slots} fields, {len(listed['constants'])} constants, "
          f"{len(listed['extensions'])} extensions agree with the headers")


def probe(path, as_of, out):
    """abidiff sees only types that an exported symbol reaches. What came after `as_of` is left out, so that the rest must
    be the same to the last bit: fields that were appended since are no difference."""
    listed = load(path)
    lines = ["#include <stddef.h>\n#include <stdint.h>\ntypedef int32_t lectern_status;\n"]
    structs = {name: one for name, one in listed["structs"].items() if version(one["since"]) <= version(as_of)}
    for name, struct in structs.items():
        lines.append(f"typedef struct {name} {{\n")
        for field in struct["fields"]:
            if version(field["since"]) > version(as_of):
                continue
            kind, array = re.fullmatch(r"(.+?)(\[\d+\])?", field["type"]).groups()
            if "(*)" in kind:
                lines.append(f"  {kind.replace('(*)', '(*' + field['name'] + ')', 1)};\n")
            else:
                lines.append(f"  {kind} {field['name']}{array or ''};\n")
        lines.append(f"}} {name};\n")
    for name in structs:
        lines.append(f"const {name} *probe_{name}(const {name} *given);\n")
        lines.append(f"const {name} *probe_{name}(const {name} *given) {{ return given; }}\n")
    # Constants, and the ids of kinds and extensions, as a type too: an array is one longer than its constant's value, so a
    # value that changes, or a name that goes, moves what follows. (abidiff 2.2 says nothing of changed enumerators.)
    values = {name: one["value"] for name, one in listed["constants"].items() if version(one["since"]) <= version(as_of)}
    for one in [*listed["kinds"], *listed["extensions"]]:
        if version(one["since"]) <= version(as_of):
            values[f"{one['macro']}__{re.sub(r'[^a-z0-9]', '_', one.get('id', one.get('name')))}"] = 0
    members = " ".join(f"char {name}[{value + 1}];" for name, value in values.items())
    lines.append(f"typedef struct constants {{ {members} }} constants;\n")
    lines.append("const constants *probe_constants(const constants *given);\n")
    lines.append("const constants *probe_constants(const constants *given) { return given; }\n")
    Path(out).write_text("".join(lines))


if __name__ == "__main__":
    try:
        {"check": check, "write": write, "probe": probe}[sys.argv[1]](*sys.argv[2:])
    except abi_headers.Trouble as trouble:
        sys.exit(f"abi.yaml: {trouble}")
