import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { kept } from '../../model/kept.js'

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'puzzleflow-kept-'))
  onTestFinished(() => rmSync(made, { recursive: true }))
  return made
}

test('what was made of a file is made again only once the file is another', () => {
  const file = join(folder(), 'a')
  writeFileSync(file, 'one')
  const made: string[] = []
  const open = kept(
    (path) => made.push(path),
    (path) => [path],
  )
  expect([open(file), open(file)]).toEqual([1, 1])
  writeFileSync(file, 'another')
  expect([open(file), open(file)]).toEqual([2, 2])
  // Only the last one is kept.
  expect([open(`${file}.other`), open(file)]).toEqual([3, 4])
  expect(made).toEqual([file, file, `${file}.other`, file])
})

test('what cannot be made is tried again', () => {
  let tries = 0
  const open = kept(
    () => {
      if (++tries === 1) throw new Error('not yet')
      return tries
    },
    () => [],
  )
  expect(() => open('a')).toThrow('not yet')
  expect(open('a')).toBe(2)
})
