import type { Choices } from './choices.js'

const pieces = [
  ...[
    '{',
    '}',
    '[',
    ']',
    '{{',
    '}}',
    '{%',
    '%}',
    '-%}',
    '{#',
    '#}',
    '"',
    "'",
    '"""',
    '\n',
    '\r',
    '\r\n',
    '\t',
    ': ',
    ', ',
  ],
  ...[
    '- ',
    '? ',
    '&a ',
    '*a',
    '<<: ',
    '<<: *a',
    '!!x ',
    '!!binary ',
    '!!js/function ',
    '%YAML 1.1\n',
    '---\n',
    '...\n',
    '# ',
    '|',
    '>-',
  ],
  ...[
    '(',
    ')+',
    ')*',
    '\\',
    '\\u0000',
    '\\ud800',
    '\0',
    '\ufeff',
    '\u2028',
    '\u001b[2J',
    '😀',
    '\ud800',
    '% ',
    '~',
    '**',
  ],
  ...[
    '9'.repeat(30),
    '1e999',
    '-',
    '0x',
    '.5',
    '.inf',
    'NaN',
    'None',
    'in',
    'for x in y',
    'range(999999999)',
    '__class__',
  ],
  ...[
    '__proto__',
    '__proto__: ',
    'constructor',
    '.constructor',
    '["constructor"]',
    '|tojson',
    '|list',
    '*99999999',
    '**99',
  ],
]

/** A text with parts removed, repeated, exchanged or put in. */
export function changedText(text: string, choices: Choices): string {
  let changed = text
  for (let changes = choices.of([1, 1, 2, 3, 6]); changes > 0; changes--) {
    const at = choices.below(changed.length + 1)
    const size = choices.of([0, 1, 1, 3, 10, 100])
    const part = changed.slice(at, at + size)
    const from = choices.below(changed.length + 1)
    const between = choices.of<() => string>([
      () => '',
      () => part + part,
      () => choices.of(pieces) + part,
      () => part + choices.of(pieces),
      () => choices.of(pieces).repeat(choices.size(3000)),
      () => part.repeat(choices.size(100)),
      () => changed.slice(from, from + size),
      () => String.fromCharCode((part.charCodeAt(0) || 32) ^ (1 << choices.below(7))) + part.slice(1),
      () => [...part].reverse().join(''),
    ])()
    changed = changed.slice(0, at) + between + changed.slice(at + size)
    if (changed.length > 1_000_000) break
  }
  return choices.chance(0.03) ? changed.slice(0, choices.below(changed.length + 1)) : changed
}
