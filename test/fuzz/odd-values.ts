import type { Choices } from './choices.js'

/** Names that every object has, and others that have harmed readers. */
export const oddNames = [
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__', 'then'],
  ...['length', '', '0', '-1', '..', '../../x', '/etc/passwd', 'a/b', 'a\\b', '\0', '\u001b[2J', '\u202e', '\ud800'],
  ...['type', 'name', '$ref', '$id', 'toJSON', 'message', 'stack'],
]

/** Numbers at and beyond the ends of what counts, sizes and identifiers can be. */
export const oddNumbers = [
  ...[0, -0, -1, 1, 0.5, 2, 3, 127, 128, 255, 256, 1000, 65_535, 65_536, 2 ** 24, 2 ** 31 - 1, 2 ** 31, -(2 ** 31)],
  ...[2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 53 + 2, -(2 ** 53), 2 ** 63, -(2 ** 63), 2 ** 64],
  ...[1e150, 1e308, -1e308, 1e-300, 5e-324, 1 + Number.EPSILON],
]

const oddTexts = [
  ...[
    '',
    ' ',
    '\n',
    '0',
    '00',
    '-1',
    '1e999',
    '0x10',
    'null',
    'true',
    'NaN',
    'Infinity',
    'undefined',
    '[object Object]',
  ],
  ...[
    '${{ stages.a.outputs.b }}',
    '${{',
    '{{ x }}',
    '{% for a in b %}',
    '%s%n',
    '../../../etc/passwd',
    '/dev/zero',
    '~',
  ],
  ...['file:///etc/passwd', 'http://127.0.0.1:9/', '\ufeff', '\ud800', 'e\u0301', 'ﬁ', '😀', '\u2028', 'İ', 'ß'],
  ...[
    '(a+)+$',
    '(',
    '[',
    '\\',
    '(?<=a)b',
    '\\p{L}+',
    '\\u{110000}',
    '(?:a|aa)+$',
    '\\s*\\s*\\s*\\s*\\s*\\s*x',
    '.*.*.*.*.*=',
    '{1,99999999}',
  ],
]

/** Something plain that no reader expects. Now and then it is long or deep. */
export function oddValue(choices: Choices): unknown {
  switch (choices.below(14)) {
    case 0:
      return null
    case 1:
    case 2:
    case 3:
      return choices.of(oddNumbers)
    case 4:
    case 5:
      return choices.of(oddTexts)
    case 6:
      return choices.of(oddNames)
    case 7:
      return choices.chance(0.5)
    case 8:
      return choices.chance(0.5) ? [] : {}
    case 9:
      return object([[choices.of(oddNames), choices.of([1, 'a', null, {}, []])]])
    case 10:
      return choices.chance(0.5) ? [choices.of(oddNumbers), choices.of(oddTexts)] : [[choices.of(oddNumbers)]]
    case 11:
      return 'x'.repeat(choices.size(100_000))
    case 12:
      return Array.from({ length: choices.size(20_000) }, () => choices.of([0, 'a', null]))
    default:
      return deep(choices.size(1400), choices.chance(0.5) ? (inner) => [inner] : (inner) => ({ a: inner }))
  }
}

function deep(depth: number, around: (value: unknown) => unknown): unknown {
  let value: unknown = null
  for (let i = 0; i < depth; i++) value = around(value)
  return value
}

/** An object of these entries, `__proto__` included. */
export function object(entries: readonly (readonly [string, unknown])[]): object {
  const made = {}
  for (const [name, value] of entries) put(made, name, value)
  return made
}

/** Sets an entry, and never a prototype. */
export const put = (holder: object, name: string, value: unknown): void =>
  void Object.defineProperty(holder, name, { value, enumerable: true, configurable: true, writable: true })
