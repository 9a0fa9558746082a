import { expect, test } from 'vitest'
import { hasColours } from '../../cli/output.js'
import { canDraw } from '../../cli/progress/watcher.js'

const [terminal, file] = [{ isTTY: true }, {}]

test.each([
  [terminal, {}, true],
  [file, {}, false],
  [file, { CI: 'true' }, false],
  [terminal, { NO_COLOR: '1' }, false],
  [terminal, { NO_COLOR: '' }, true],
  [file, { FORCE_COLOR: '1' }, true],
  [terminal, { FORCE_COLOR: '0' }, false],
  [terminal, { TERM: 'dumb' }, false],
  [file, { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
])('colours to %j with %j: %s', (stream, environment, coloured) => {
  expect(hasColours(stream, environment)).toBe(coloured)
})

test.each([
  [terminal, {}, true],
  [terminal, { TERM: 'dumb' }, false],
  [terminal, { CI: 'true' }, false],
  [file, {}, false],
])('something can be drawn again on %j with %j: %s', (stream, environment, drawn) => {
  expect(canDraw(stream, environment)).toBe(drawn)
})
