import { spawn, type StdioOptions } from 'node:child_process'
import { existsSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { packageRoot } from '../../store/paths.js'

/** Runs `puzzleflow schema`, whose text is longer than a pipe holds. */
const schema = (stdio: StdioOptions) => {
  const child = spawn(process.execPath, [join(packageRoot(), 'dist/cli/main.js'), 'schema'], { stdio })
  let stderr = ''
  child.stderr!.on('data', (data: Buffer) => (stderr += data.toString()))
  const ended = new Promise<object>((resolve) => child.once('close', (code) => resolve({ code, stderr })))
  return { child, ended }
}

test('whoever has read enough gets no complaint', async () => {
  const { child, ended } = schema(['ignore', 'pipe', 'pipe'])
  child.stdout!.once('data', () => child.stdout!.destroy())
  expect(await ended).toEqual({ code: 0, stderr: '' })
})

test.skipIf(!existsSync('/dev/full'))('a full disk behind stdout is said, with its exit code', async () => {
  const { ended } = schema(['ignore', openSync('/dev/full', 'w'), 'pipe'])
  expect(await ended).toEqual({
    code: 6,
    stderr: 'Nothing more can be written to stdout: ENOSPC: no space left on device, write\n',
  })
})
