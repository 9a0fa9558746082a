"""Writes cases.json: what Python's Jinja2 makes of templates, in the environment that transformers gives chat templates.

    pip install jinja2==3.1.6
    python test/model/jinja/make.py

A case is {"template", "variables": which of the texts of JSON, "gives"} or, where Python raises an error, {…, "fails": its class}.
"""

import json
from datetime import datetime
from pathlib import Path

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from expressions import expressions, values
from conversations import conversations
from statements import statements

here = Path(__file__).parent
now = datetime(2024, 7, 26)


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_inside"), [], [], body).set_lineno(line)

    def _inside(self, caller):
        return caller()


class TemplateDict:
    def __call__(self, *args, **kwargs):
        return dict(*args, **kwargs)

    def fromkeys(self, *args, **kwargs):
        return dict.fromkeys(*args, **kwargs)


class TemplateNamespace(jinja2.utils.Namespace):
    def __init__(*args, **kwargs):
        self, args = args[0], args[1:]
        attributes = dict(*args, **kwargs)
        for name in attributes:
            TemplateNamespace._check(name)
        jinja2.utils.Namespace.__init__(self, attributes)

    def __setitem__(self, name, value):
        TemplateNamespace._check(name)
        jinja2.utils.Namespace.__setitem__(self, name, value)

    @staticmethod
    def _check(name):
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError(name)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
environment.filters["tojson"] = tojson
environment.globals["raise_exception"] = raise_exception
environment.globals["strftime_now"] = now.strftime
environment.globals["dict"] = TemplateDict()
environment.globals["namespace"] = TemplateNamespace


def case(template, variables):
    made = {"template": template, "variables": variables}
    try:
        made["gives"] = environment.from_string(template).render(**json.loads(variables))
        made["gives"].encode()
        if " at 0x" in made["gives"] or "<function" in made["gives"] or "<class" in made["gives"]:
            # Where something is in memory nobody else can say.
            made.pop("gives")
            made["fails"] = "an address"
    except Exception as error:
        made.pop("gives", None)
        made["fails"] = type(error).__name__
    return made


cases = [case("{{ " + one + " }}", values) for one in expressions]
cases += [case(template, values) for template in statements]
for file, variables in conversations:
    template = (here / "templates" / file).read_text()
    cases += [{**case(template, one), "template": file} for one in variables]
variables = list(dict.fromkeys(one["variables"] for one in cases))
for one in cases:
    one["variables"] = variables.index(one["variables"])
lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in cases)
texts = ",\n".join(json.dumps(one, ensure_ascii=False) for one in variables)
(here / "cases.json").write_text(f'{{ "variables": [\n{texts}\n], "cases": [\n{lines}\n] }}\n')
print(len(cases), "cases,", sum("fails" in one for one in cases), "of which fail")
