import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { exitCodes } from '../../cli/exit-codes.js'
import { packageRoot } from '../../store/paths.js'

test('the documentation has each exit code with the words that --json has for it', () => {
  const page = readFileSync(join(packageRoot(), 'docs/operations.md'), 'utf8')
  const rows = [...page.matchAll(/^\| (\d+) +\| ([^|]+?) +\| [^|]+\|$/gm)]
  const documented = rows.flatMap(([, code, kinds]) =>
    kinds!.split(', ').map((kind) => [kind.replaceAll('`', ''), Number(code)] as const),
  )
  expect(Object.fromEntries(documented)).toEqual(exitCodes)
})
