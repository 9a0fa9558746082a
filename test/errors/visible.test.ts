import { expect, test } from 'vitest'
import { explain } from '../../cli/explain.js'
import { visible, visibleInColour } from '../../errors/visible.js'
import { Failure } from '../../api/index.js'

test('control characters are shown, not obeyed: escapes, bells, carriage returns, those of 8 bits', () => {
  expect(visible('a\x1b[2J\x1b]0;title\x07b\rc\x9b31m\x00')).toBe('a\\x1b[2J\\x1b]0;title\\x07b\\rc\\x9b31m\\x00')
  expect(visible('two\nlines,\ta tab, Ünïcödé 模型')).toBe('two\nlines,\ta tab, Ünïcödé 模型')
})

test('where there are colours, colours alone pass', () => {
  expect(visibleInColour('\x1b[31mred\x1b[39m \x1b[2J\x1b[1;32mgreen\x1b[0m')).toBe(
    '\x1b[31mred\x1b[39m \\x1b[2J\x1b[1;32mgreen\x1b[0m',
  )
})

test("the text of an error does not hold what was in a stranger's file", () => {
  expect(explain(new Failure('InvalidInput', 'the template says: \x1b[31mhello\x07')).text).toBe(
    'the template says: \\x1b[31mhello\\x07',
  )
})
