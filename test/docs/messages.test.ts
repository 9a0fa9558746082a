import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { exitCodes } from '../../cli/exit-codes.js'
import { packageRoot } from '../../store/paths.js'

const page = readFileSync(join(packageRoot(), 'docs/troubleshooting.md'), 'utf8')

/** Texts of all sources that are published. */
const sources = ['activities', 'cli', 'data', 'errors', 'files', 'lineage', 'model', 'plugins', 'puzzle']
  .concat(['server', 'solver', 'spec', 'store', 'tensor', 'workflows'])
  .flatMap((room) =>
    readdirSync(join(packageRoot(), room), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => readFileSync(join(packageRoot(), room, path), 'utf8')),
  )

/** Parts of the messages that the page quotes, without what differs. */
const quoted = [...page.matchAll(/^\| ([^|]+) \|/gm)]
  .flatMap(([, cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, message = '']) => message))
  .flatMap((message) => message.split('…').map((part) => part.replace(/^["():,; ]+|["():,; ]+$/g, '')))
  .filter((part) => part.length > 8)

test('every message that the page about trouble quotes is one that puzzleflow has', () => {
  expect(quoted.length).toBeGreaterThan(20)
  expect(quoted.filter((part) => !sources.some((text) => text.includes(part)))).toEqual([])
})

test('the page has a section for each exit code but 0', () => {
  const codes = [...page.matchAll(/^## (\d+):/gm)].map(([, code]) => Number(code))
  expect(codes).toEqual([...new Set(Object.values(exitCodes))].filter((code) => code !== 0).sort((a, b) => a - b))
})
