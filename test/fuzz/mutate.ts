import { uniform } from '../noise.js'

/** Choices that a seed determines. */
export class Choices {
  readonly #next: () => number

  constructor(seed: number) {
    this.#next = uniform(seed)
    // The first numbers of neighbouring seeds are alike.
    for (let i = 0; i < 8; i++) this.#next()
  }

  below = (n: number): number => Math.floor(this.#next() * n)
  chance = (share: number): boolean => this.#next() < share
  of = <T>(list: readonly T[]): T => list[this.below(list.length)]!
}

/** Names that every object has, and others that have harmed readers. */
const names = [
  'constructor',
  '__proto__',
  'toString',
  'hasOwnProperty',
  'length',
  '',
  '..',
  'a/b',
  '\0',
  '\u001b[2J',
  'type',
]

const deep = (depth: number, around: (value: unknown) => unknown): unknown => {
  let value: unknown = null
  for (let i = 0; i < depth; i++) value = around(value)
  return value
}

/** Values that readers do not expect. */
const oddValues: readonly ((choices: Choices) => unknown)[] = [
  () => null,
  (c) => c.of([0, -0, -1, 1, 0.5, 2, 255, 2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 53, -(2 ** 63), 1e308, 1e-300, 5e-324]),
  (c) =>
    c.of([
      '',
      ' ',
      '\n',
      '0',
      'null',
      'NaN',
      '${{ stages.a.outputs.b }}',
      '{{ x }}',
      '{% for a in b %}',
      '(a+)+$',
      '(',
      '\ud800',
    ]),
  (c) => c.of(names),
  (c) => 'x'.repeat(c.of([100, 10_000, 1_000_000])),
  (c) => c.chance(0.5),
  () => [],
  () => ({}),
  (c) => Array.from({ length: c.of([1, 3, 1000, 20_000]) }, () => c.of([0, 'a', null])),
  (c) => ({ [c.of(names)]: c.of([1, 'a', null, {}]) }),
  (c) => deep(c.of([3, 100, 2000]), (inner) => [inner]),
  (c) => deep(c.of([3, 100, 2000]), (inner) => ({ a: inner })),
]

/** A copy of plain data with a few values changed, removed, repeated or exchanged. Mostly it stays as it was. */
export function mutateJson(value: unknown, choices: Choices): unknown {
  let copy = structuredClone(value)
  for (let changes = 1 + choices.below(3); changes > 0; changes--) copy = changeOne(copy, choices)
  return copy
}

function changeOne(root: unknown, choices: Choices): unknown {
  const places = placesIn(root)
  if (places.length === 0) return choices.of(oddValues)(choices)
  const [holder, key] = choices.of(places)
  const other = choices.of(places)
  const set = (value: unknown) =>
    Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true })
  switch (choices.below(6)) {
    case 0:
      if (Array.isArray(holder)) holder.splice(Number(key), 1)
      else delete holder[key]
      break
    case 1:
      set(structuredClone(other[0][other[1]]))
      break
    case 2:
      if (Array.isArray(holder)) holder.splice(Number(key), 0, structuredClone(holder[Number(key)]))
      else
        Object.defineProperty(holder, choices.of(names), {
          value: holder[key],
          enumerable: true,
          configurable: true,
          writable: true,
        })
      break
    case 3:
      if (typeof holder[key] === 'number') set(choices.of([-1, 0.5, 0, 2, 1000, 1e9]) * holder[key])
      else if (typeof holder[key] === 'string') set(changedText(holder[key], choices))
      else set(choices.of(oddValues)(choices))
      break
    default:
      set(choices.of(oddValues)(choices))
  }
  return root
}

type Holder = Record<string, unknown> & unknown[]

/** Every place of a value in plain data; of much data, some. */
function placesIn(root: unknown): [Holder, string][] {
  const places: [Holder, string][] = []
  const open: unknown[] = [root]
  while (open.length > 0 && places.length < 5000) {
    const holder = open.pop()
    if (typeof holder !== 'object' || holder === null) continue
    for (const [key, value] of Object.entries(holder).slice(0, 500)) {
      places.push([holder as Holder, key])
      open.push(value)
    }
  }
  return places
}

const pieces = [
  '{',
  '}',
  '[',
  ']',
  '{{',
  '}}',
  '{%',
  '%}',
  '-%}',
  '"',
  "'",
  '\n',
  ': ',
  '- ',
  '&a ',
  '*a',
  '<<: ',
  '!!x ',
  '# ',
  '|',
  '(',
  ')+',
  '\\',
  '\0',
  '\ufeff',
  '😀',
  '\ud800',
  '% ',
  '9'.repeat(30),
  'in',
  'for x in y',
]

/** A text with parts removed, repeated or put in. */
export function changedText(text: string, choices: Choices): string {
  let changed = text
  for (let changes = 1 + choices.below(4); changes > 0; changes--) {
    const at = choices.below(changed.length + 1)
    const size = choices.of([1, 1, 3, 10, 100])
    const part = changed.slice(at, at + size)
    const between = choices.of<() => string>([
      () => '',
      () => part + part,
      () => choices.of(pieces) + part,
      () => choices.of(pieces).repeat(choices.of([1, 2, 100, 3000])),
      () => part.repeat(choices.of([3, 100])),
      () => changed.slice(choices.below(changed.length + 1)).slice(0, size),
    ])()
    changed = changed.slice(0, at) + between + changed.slice(at + size)
  }
  return changed
}

/** Bytes with some changed: bits, numbers of 4 and 8 bytes, variable-length numbers, parts removed, repeated or exchanged. */
export function mutateBytes(bytes: Uint8Array, choices: Choices): Uint8Array {
  let out = Buffer.from(bytes)
  for (let changes = choices.of([1, 1, 1, 2, 4, 16]); changes > 0 && out.length > 0; changes--) {
    const at = choices.below(out.length)
    switch (choices.below(7)) {
      case 0:
        out[at]! ^= 1 << choices.below(8)
        break
      case 1:
        out[at] = choices.of([0, 1, 0x7f, 0x80, 0xfe, 0xff])
        break
      case 2: {
        const number = choices.of([0, 1, 0x7fffffff, 0x80000000, 0xffffffff, out.length, out.length * 2, 2 ** 24])
        if (at + 4 <= out.length) out.writeUInt32LE(number, at)
        break
      }
      case 3:
        if (at + 8 <= out.length)
          out.writeBigUInt64LE(choices.of([0n, 1n, 2n ** 31n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]), at)
        break
      case 4:
        out = Buffer.concat([
          out.subarray(0, at),
          Buffer.from(
            choices.of([
              [0xfe, 0xff, 0xff, 0xff, 0x0f],
              [0x80, 0x80, 0x80, 0x80, 1],
              [0xff, 0x7f],
            ]),
          ),
          out.subarray(at),
        ])
        break
      case 5:
        out = Buffer.concat([out.subarray(0, at), out.subarray(Math.min(out.length, at + choices.of([1, 4, 40])))])
        break
      default: {
        const from = choices.below(out.length)
        out = Buffer.concat([out.subarray(0, at), out.subarray(from, from + choices.of([1, 8, 64])), out.subarray(at)])
      }
    }
  }
  return choices.chance(0.05) ? out.subarray(0, choices.below(out.length + 1)) : out
}
