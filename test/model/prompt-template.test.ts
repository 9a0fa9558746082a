import { expect, test } from 'vitest'
import { exactJson, PromptTemplate } from '../../model/index.js'

const doc = exactJson(`{"q": "Why?", "c": ["a \\"b\\"", "it's"], "n": 3, "x": null, "d": {"k": 1.0}}`) as Record<
  string,
  unknown
>

// What Jinja2 makes of it with StrictUndefined and keep_trailing_newline; undefined: it raises an error.
test.each<readonly [template: string, text: string | undefined]>([
  ['{{q}}\n', 'Why?\n'],
  ['{% if n > 2 %}\nyes\n{% endif %}\nend', '\nyes\n\nend'],
  ['  {% for i in c %}\n {{i}}\n  {% endfor %}', '  \n a "b"\n  \n it\'s\n  '],
  ['{{c}}', '[\'a "b"\', "it\'s"]'],
  ['{{x}}', 'None'],
  ['{{d}} {{d.k}}', "{'k': 1.0} 1.0"],
  ['{{missing}}', undefined],
  ['{{ missing is defined }}', 'False'],
  ['{{d.other}}', undefined],
  ['{{missing|default("-")}}', '-'],
  ['{% if missing %}a{% endif %}', undefined],
  ['{% for i in missing %}a{% endfor %}', undefined],
  ['{{missing == 1}}', undefined],
  ['{%- if n -%} a {%- endif -%}  b', 'ab'],
  ['{# note #}\nq', '\nq'],
  ['{% raw %}{{q}}{% endraw %}\nz', '{{q}}\nz'],
  ['{{ q ~ missing }}', undefined],
  ['{{["a","b"][n-2]}}', 'b'],
  ['{{missing|length}}', undefined],
  ['{{q.strip("?")}}: ', 'Why: '],
])('%j is rendered as by the harness', (template, text) => {
  const render = () => new PromptTemplate(template).render(doc)
  if (text === undefined)
    expect(render).toThrow(/^the template cannot be rendered: UndefinedError: '?(missing|dict object)/)
  else expect(render()).toBe(text)
})

test.each([
  ['{{q', "the template cannot be read: unexpected end of template, expected 'end of print statement'"],
  ['{{q|nothing}}', 'the template cannot be read: No filter named'],
  ['{{q|tojson}}', 'the template uses the filter tojson, which is not supported here'],
])('%j is refused', (template, message) => {
  expect(() => new PromptTemplate(template)).toThrow(message)
})
