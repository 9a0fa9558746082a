import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { setQuiet, tell } from '../../../cli/output.js'
import { Screen, type Terminal } from '../../../cli/progress/screen.js'

/** A terminal that obeys the few escape sequences with which lines are drawn again. */
class FakeTerminal extends EventEmitter {
  columns = 40
  rows = 20
  /** Columns that it has, where the signal of the change has not arrived yet. */
  narrowed: number | undefined
  writes = 0
  raw = ''
  private lines: string[] = ['']
  private row = 0
  private column = 0

  write(text: string): boolean {
    this.writes++
    this.raw += text
    for (const [part] of text.matchAll(/\u001b\[\??[\d;]*[a-zA-Z]|[^\u001b]/g)) this.obey(part)
    return true
  }

  _refreshSize(): void {
    const { narrowed } = this
    if (narrowed === undefined) return
    this.narrowed = undefined
    this.columns = narrowed
    this.emit('resize')
  }

  private obey(part: string): void {
    const [, count = '', command = ''] = /^\u001b\[(\d*)([A-Z])$/.exec(part) ?? []
    const line = this.lines[this.row]!
    if (part === '\n') {
      this.row++
      this.column = 0
      this.lines[this.row] ??= ''
    } else if (command === 'A') this.row = Math.max(0, this.row - Number(count || 1))
    else if (command === 'B') this.row = Math.min(this.lines.length - 1, this.row + Number(count || 1))
    else if (command === 'G') this.column = 0
    else if (command === 'K') this.lines[this.row] = count === '2' ? '' : line.slice(0, this.column)
    else if (!part.startsWith('\u001b')) {
      this.lines[this.row] = line.slice(0, this.column).padEnd(this.column) + part + line.slice(this.column + 1)
      this.column++
    }
  }

  get shown(): string {
    return this.lines.join('\n').trimEnd()
  }
}

let terminal: FakeTerminal
let lines: string[]
let screen: Screen
beforeEach(() => {
  vi.useFakeTimers()
  setQuiet(false)
  terminal = new FakeTerminal()
  lines = ['one', 'two']
  screen = new Screen(terminal as unknown as Terminal, (columns) => lines.map((line) => line.slice(0, columns - 1)))
})
afterEach(() => {
  screen.end()
  vi.useRealTimers()
})
/** Draws what has changed. */
const frames = () => void vi.advanceTimersByTime(100)

test('frames are drawn in the same place', () => {
  screen.refresh()
  frames()
  expect(terminal.shown).toBe('one\ntwo')
  lines = ['one', 'deux', 'three']
  screen.refresh()
  frames()
  expect(terminal.shown).toBe('one\ndeux\nthree')
  lines = ['four']
  screen.refresh()
  frames()
  expect(terminal.shown).toBe('four')
})

test('at most ten frames a second are drawn, and none without a change', () => {
  for (let i = 0; i < 1000; i++) {
    lines = [`step ${i}`]
    screen.refresh()
    vi.advanceTimersByTime(1)
  }
  expect(terminal.writes).toBeLessThanOrEqual(10)
  frames()
  const { writes } = terminal
  for (let i = 0; i < 10; i++) {
    screen.refresh()
    frames()
  }
  expect(terminal.writes).toBe(writes)
})

test('what is logged goes above the frame, and stays', () => {
  screen.refresh()
  frames()
  tell('a task failed')
  tell('and again')
  expect(terminal.shown).toBe('a task failed\nand again\none\ntwo')
  lines = ['three']
  screen.refresh()
  frames()
  expect(terminal.shown).toBe('a task failed\nand again\nthree')
})

test('the last frame stays when it ends, and logs follow it', () => {
  screen.refresh()
  frames()
  lines = ['the', 'end']
  screen.end()
  expect(terminal.shown).toBe('the\nend')
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  tell('Done')
  expect(stderr).toHaveBeenCalledWith('Done\n')
  stderr.mockRestore()
})

const erasedRows = () => terminal.raw.split('\u001b[1A\u001b[2K').length - 1

test('lines that a narrower terminal has broken are taken away as a whole', () => {
  lines = ['x'.repeat(39), 'y'.repeat(10)]
  screen.refresh()
  frames()
  terminal.raw = ''
  terminal.columns = 15
  terminal.emit('resize')
  vi.advanceTimersByTime(150)
  // Two lines, and 39 characters that take three rows of 15: two more.
  expect(erasedRows()).toBe(4)
  expect(terminal.shown.split('\n').slice(-2)).toEqual(['x'.repeat(14), 'y'.repeat(10)])
})

test('while somebody changes the size, nothing is drawn; then what was broken is taken away at once', () => {
  lines = ['x'.repeat(39), 'y'.repeat(10)]
  screen.refresh()
  frames()
  terminal.raw = ''
  for (terminal.columns = 30; terminal.columns > 15; terminal.columns--) {
    terminal.emit('resize')
    screen.refresh()
    frames()
  }
  terminal.emit('resize')
  expect(terminal.raw).toBe('')
  vi.advanceTimersByTime(150)
  expect(erasedRows()).toBe(4)
})

test('a frame of a terminal that has become lower is taken away before the next one', () => {
  screen.refresh()
  frames()
  terminal.raw = ''
  terminal.rows = 10
  terminal.emit('resize')
  vi.advanceTimersByTime(150)
  expect(erasedRows()).toBe(2)
  expect(terminal.shown).toBe('one\ntwo')
})

test('before a line is logged, a terminal is asked for its size: the signal of a change may come later', () => {
  lines = ['x'.repeat(39), 'y'.repeat(10)]
  screen.refresh()
  frames()
  terminal.raw = ''
  terminal.narrowed = 15
  tell('a task failed')
  expect(erasedRows()).toBe(4)
  expect(terminal.shown.split('\n').slice(-3)).toEqual(['a task failed', 'x'.repeat(14), 'y'.repeat(10)])
})

test('before a frame is drawn, too: it waits until the size no longer changes', () => {
  lines = ['x'.repeat(39), 'y'.repeat(10)]
  screen.refresh()
  frames()
  terminal.raw = ''
  terminal.narrowed = 15
  screen.refresh()
  frames()
  expect(terminal.raw).toBe('')
  vi.advanceTimersByTime(150)
  expect(erasedRows()).toBe(4)
})
