import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { asText, fileLog, type Entry } from '../../activities/journal.js'

const failed: Entry = {
  level: 'warn',
  event: 'task failed',
  run: 'r',
  stage: 'distill',
  task: 'layer00/ffn',
  attempt: 2,
  message: 'no more\n',
  kind: 'Crash',
  stack: 'Error: no more\n  at …',
}

test('a line of a log file is a JSON document, whatever its text is', () => {
  const folder = mkdtempSync(join(tmpdir(), 'puzzleflow-journal-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'tasks.log')
  const log = fileLog(file)
  log(failed)
  log({ level: 'info', event: 'worker serves', places: 2 })
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  const [first, second] = lines.map((line) => JSON.parse(line) as Entry & { readonly time: string })
  expect(first).toMatchObject(failed)
  expect(second).toMatchObject({ event: 'worker serves', places: 2 })
  expect(Date.now() - Date.parse(first!.time)).toBeLessThan(60_000)
})

test('a file that cannot be written ends nothing', () => {
  expect(() => fileLog('/proc/no/such/folder/tasks.log')(failed)).not.toThrow()
})

test('for people a line says what happened to what, and leaves the stack out', () => {
  expect(asText(failed)).toBe('WARN task failed: r distill/layer00/ffn (attempt 2) no more kind=Crash')
  expect(asText({ level: 'info', event: 'worker serves', places: 2 })).toBe('worker serves places=2')
})
