import { appendFileSync, mkdtempSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { tailOf } from '../../../cli/progress/journal-tail.js'

let file: string
let told: string[]
beforeEach(() => {
  vi.useFakeTimers()
  file = join(mkdtempSync(join(tmpdir(), 'puzzleflow-tail-')), 'tasks.log')
  told = []
})
afterEach(() => void vi.useRealTimers())
const append = (text: string) => appendFileSync(file, text)
const look = () => void vi.advanceTimersByTime(500)

test('only what is appended from now on is told, a whole line at a time', () => {
  append('{"event":"before"}\n')
  const end = tailOf(file, ({ event, time }) => told.push(`${event} ${String(time)}`))
  append('{"event":"first","time":"t"}\n{"eve')
  look()
  append('nt":"second"}\nno JSON\n{"event":"third"}\n')
  look()
  expect(told).toEqual(['first undefined', 'second undefined', 'third undefined'])
  append('{"event":"last"}\n')
  end()
  expect(told.at(-1)).toBe('last undefined')
})

test('a log that is not there yet, or was put aside, is read from its beginning', () => {
  const end = tailOf(file, ({ event }) => told.push(event))
  look()
  append('{"event":"a long line, longer than the next"}\n')
  look()
  renameSync(file, `${file}.1`)
  append('{"event":"new"}\n')
  end()
  expect(told).toEqual(['a long line, longer than the next', 'new'])
})
