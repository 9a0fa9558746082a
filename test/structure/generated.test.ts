import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { packageRoot } from '../../store/paths.js'

test.each([
  ['docs/spec.md', 'spec-reference.mjs'],
  ['schemas for editors, which every example names in its first line', 'editor-schemas.mjs'],
])('what is made from the schemas is current: %s', (_, script) => {
  const { status, stderr } = spawnSync(process.execPath, [join(packageRoot(), 'scripts', script), '--check'], {
    encoding: 'utf8',
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
})
