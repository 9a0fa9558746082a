import { expect, test } from 'vitest'
import { formatDiagnostic, frameDiagnostic, nearest } from '../../spec/diagnostics.js'
import { readDocument } from '../../spec/document.js'

const problems = (text: string) => readDocument('a.yaml', text).diagnostics.map(formatDiagnostic)

test('every key and value has its place', () => {
  const { data, map } = readDocument('a.yaml', 'name: x\ndata:\n  train: { path: ./a }\n  list: [1, two]\n')
  expect(data).toEqual({ name: 'x', data: { train: { path: './a' }, list: [1, 'two'] } })
  expect(map.key('/data/train/path')).toEqual({ line: 3, column: 12, length: 4 })
  expect(map.value('/data/train/path')).toEqual({ line: 3, column: 18, length: 3 })
  expect(map.value('/data/list/1')).toEqual({ line: 4, column: 13, length: 3 })
  // What is missing is looked for around where it should be.
  expect(map.value('/data/train/format')).toEqual({ line: 3, column: 3, length: 5 })
})

test('words that YAML 1.1 takes for booleans stay texts', () => {
  expect(readDocument('a.yaml', 'a: yes\nb: no\nc: 010\n').data).toEqual({ a: 'yes', b: 'no', c: 10 })
})

test('a key that comes twice is refused', () => {
  expect(problems('a: 1\nb: 2\na: 3\n')).toEqual(['a.yaml:3:1 duplicate-key There are two keys "a" in one map.'])
  expect(problems('1: a\n"1": b\n')).toEqual(['a.yaml:2:1 duplicate-key There are two keys "1" in one map.'])
})

test("a tag of one's own is refused", () => {
  expect(problems('a: !run ls\n')).toEqual(['a.yaml:1:4 unknown-tag Unresolved tag: !run.'])
})

test('an alias stands for its anchor', () => {
  expect(readDocument('a.yaml', 'a: &x { n: 1 }\nb: *x\n').data).toEqual({ a: { n: 1 }, b: { n: 1 } })
})

test('an alias that is not defined is refused', () => {
  expect(problems('b: *x\n')).toEqual(['a.yaml:1:4 unknown-alias There is no anchor &x before this alias.'])
})

test('an alias that contains itself is refused', () => {
  expect(problems('a: &x [*x]\n')).toEqual(['a.yaml:1:8 alias-limit The value of *x contains itself.'])
})

test('aliases of aliases do not fill the memory', () => {
  const rows = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
  for (let i = 1; i < 10; i++)
    rows.push(
      `a${i}: &a${i} [${Array(10)
        .fill(`*a${i - 1}`)
        .join(', ')}]`,
    )
  expect(problems(rows.join('\n'))).toEqual([
    'a.yaml:4:45 alias-limit Together, the aliases stand for more than 10000 values.',
  ])
})

test('more than a hundred aliases are refused', () => {
  expect(problems(`a: &x 1\nb: [${Array(101).fill('*x').join(', ')}]\n`)).toEqual([
    'a.yaml:2:405 alias-limit There are more than 100 aliases.',
  ])
})

test('a text above 1 MiB, one without keys, one nested without end and two documents are refused', () => {
  expect(problems('a: 1 # ' + 'x'.repeat(1024 * 1024))[0]).toContain('too-large')
  expect(problems('')[0]).toContain('1:1 wrong-type')
  expect(problems('- a\n')[0]).toContain('1:1 wrong-type')
  expect(problems('a: ' + '['.repeat(200) + ']'.repeat(200))[0]).toContain('too-deep')
  expect(problems('a: ' + '['.repeat(100_000))).not.toEqual([])
  expect(problems('a: 1\n---\nb: 2\n')[0]).toContain('multiple-documents')
})

test('a syntax error has its place', () => {
  expect(problems('a: [1, 2\nb: 3\n')[0]).toMatch(/^a\.yaml:2:1 yaml-syntax /)
})

test('keys that could reach prototypes are refused', () => {
  expect(problems('__proto__: { x: 1 }\n')[0]).toContain('1:1 wrong-value')
})

test('the line at fault is shown with a hint', () => {
  const diagnostic = {
    file: 'search.yaml',
    line: 2,
    column: 12,
    length: 6,
    code: 'unknown-block',
    message: 'There is no block type "swigul" for slot "ffn".',
    hint: 'did you mean "swiglu"?',
  }
  expect(frameDiagnostic(diagnostic, 'space:\n  - { block: swigul }\n')).toBe(
    [
      'search.yaml:2:12  unknown-block  There is no block type "swigul" for slot "ffn".',
      '    2 |   - { block: swigul }',
      '      |            ^^^^^^ did you mean "swiglu"?',
    ].join('\n'),
  )
})

test('only near names are suggested', () => {
  expect(nearest('tokesn', ['tokens', 'mode'])).toBe('tokens')
  expect(nearest('kv_heads', ['kvHeads'])).toBe('kvHeads')
  expect(nearest('banana', ['tokens', 'mode'])).toBeUndefined()
})

test.each(['a: @b\u2028c\n', 'a:\n  |x y\n', '? |x\n', 'a: !t |x\n', 'a: &b |x\n', 'a: "x" \n  |q\n', '\u2028a: |x\n'])(
  'a sign of YAML’s own in an odd place is a mistake there: %j',
  (text) => {
    const { diagnostics } = readDocument('a.yaml', text)
    expect(diagnostics.length).toBeGreaterThan(0)
    for (const { line, column } of diagnostics) expect([line >= 1, column >= 1]).toEqual([true, true])
  },
)
