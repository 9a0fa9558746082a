import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import stringWidth from 'string-width'
import { expect, test } from 'vitest'
import { framed } from '../../cli/framed.js'
import type { Diagnostic } from '../../spec/diagnostics.js'

const folder = mkdtempSync(join(tmpdir(), 'puzzleflow-framed-'))
const file = join(folder, 'search.yaml')
writeFileSync(file, `name: tiny\nmodel: ./paren\n${' '.repeat(200)}wide: 層 x\n`)
const mistake: Diagnostic = {
  ...{ file, line: 2, column: 8, length: 7, code: 'missing-file' },
  ...{ message: 'There is no folder "./paren".', hint: 'did you mean "./parent"?' },
}
const terminal = { isTTY: true, columns: 80 } as const
const show = (...mistakes: Diagnostic[]) =>
  framed(mistakes, ['seed=x'], terminal).map((text) => text.replaceAll(`${folder}/`, '').split('\n'))

test('at a terminal each mistake is shown with its line and carets', () => {
  expect(show(mistake)).toEqual([
    [
      'search.yaml:2:8  missing-file  There is no folder "./paren".',
      '    2 | model: ./paren',
      '      |        ^^^^^^^ did you mean "./parent"?',
    ],
  ])
})

test('elsewhere it is one line', () => {
  expect(framed([mistake], [], { isTTY: false, columns: 80 })).toEqual([
    `${file}:2:8 missing-file There is no folder "./paren". (did you mean "./parent"?)`,
  ])
})

test('a mistake in an option is shown in the option; of a file that is not there, the line alone', () => {
  const more = { line: 1, column: 6, length: 1, code: 'wrong-type', message: 'seed must be a number.' }
  expect(show({ file: '--set', ...more })).toEqual([
    ['--set:1:6  wrong-type  seed must be a number.', '    1 | seed=x', '      |      ^'],
  ])
  expect(show({ file: join(folder, 'gone.yaml'), ...more })).toEqual([
    ['gone.yaml:1:6  wrong-type  seed must be a number.'],
  ])
})

test('of a long line the part at fault is shown, no wider than the terminal, and carets stand under wide characters', () => {
  const [[, line, carets] = []] = show({ ...mistake, line: 3, column: 209, length: 1, hint: undefined as never })
  expect(stringWidth(line!)).toBeLessThanOrEqual(80)
  expect(carets!.indexOf('^')).toBe(stringWidth(line!.slice(0, line!.indexOf('x'))))
})
